#!/bin/sh
# Attempts are over, also for a node that comes back with the record of one.
#
# Given:  ATTEMPTS  their ids
#         RESTORES  the folder with the traces of restores
#
# Prints:  nothing
# Status:  another one than 0 where that cannot be written

set -eu
for attempt in $ATTEMPTS; do
  touch "$RESTORES/$attempt.over"
done
