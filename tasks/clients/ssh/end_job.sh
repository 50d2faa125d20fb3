#!/bin/sh
# What systemd runs when a job has ended: it writes how. Its environment has SERVICE_RESULT, EXIT_CODE and EXIT_STATUS.
#
# Given:   RESULT  the file for it
#          SECRET  what the job read, if it has not opened it
# Prints:  nothing
# Status:  another one than 0 where it could not be written

rm -f "$SECRET"
echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS $(date +%s)" > "$RESULT.new"
sync "$RESULT.new" && mv "$RESULT.new" "$RESULT"
