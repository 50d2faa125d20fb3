#!/bin/sh
# Removes the traces of a restore that was rolled back. An earlier restore on whose data API servers have run is in progress again.
#
# Given:  ATTEMPTS  their ids
#         RECORD    the record of the earlier restore; empty if there was none
#
# Prints:  nothing
# Status:  not 0 if that cannot be written

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
