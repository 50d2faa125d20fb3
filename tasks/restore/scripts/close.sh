#!/bin/sh
# Marks attempts as over, also for a node that comes back later with the record of one.
#
# Given:  ATTEMPTS  their ids
#         RESTORES  the folder with the traces of restores
#
# Prints:  nothing
# Status:  not 0 if that cannot be written

set -eu
for attempt in $ATTEMPTS; do
  touch "$RESTORES/$attempt.over"
done
