#!/bin/sh
# A restore was rolled back: it never was. One before it, on which API servers have run, is under way as it was.
#
# Given:  ATTEMPTS  their ids
#         RECORD    of the one before; empty where there was none
#
# Prints:  nothing
# Status:  another one than 0 where that cannot be written

. tasks/restore/scripts/record.lib.sh

set -eu
mkdir -p "$RESTORES"
if [ -n "$RECORD" ]; then
  write_record "$RECORD"
else
  rm -f "$RESTORES/record.json"
fi
for attempt in $ATTEMPTS; do
  rm -f "$RESTORES/$attempt.phase"
done
