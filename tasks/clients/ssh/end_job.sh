#!/bin/sh
# systemd runs this when a job has finished. It writes the result. Its environment has SERVICE_RESULT, EXIT_CODE and EXIT_STATUS.
#
# Given:   RESULT  the file for the result
#          SECRET  the file of what the job reads, if the job has not opened it
# Prints:  nothing
# Status:  not 0 if it could not be written

rm -f "$SECRET"
echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS $(date +%s)" > "$RESULT.new"
sync "$RESULT.new" && mv "$RESULT.new" "$RESULT"
