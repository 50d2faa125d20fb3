#!/bin/sh
# A restore is over: its record stays, under another name.
#
# Given:  ID      of the attempt that has come to its end
#         OTHERS  ids of those before it
#
# Prints:  where the data from before is, if this node has a member: `original FOLDER`, `attempt FOLDER`
# Status:  another one than 0 where that cannot be written

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh

set -eu

# Names a folder if it has data; if it has none, it goes.
tell_folder() { # KIND FOLDER
  [ ! -f "$2$below" ] || rm -f "$2$below"
  [ ! -d "$2$below" ] || echo "$1 $2"
  [ -z "$IS_MOUNT" ] || rmdir "$2" 2> /dev/null || true
}

mkdir -p "$RESTORES"
for attempt in $OTHERS; do
  touch "$RESTORES/$attempt.ended" "$RESTORES/$attempt.over"
done
[ ! -e "$RESTORES/record.json" ] || mv "$RESTORES/record.json" "$RESTORES/$ID.ended"
rm -f "$RESTORES"/*.phase
if [ -n "$DATA" ]; then
  for attempt in $ID $OTHERS; do
    tell_folder original "$(kept_of "$attempt")"
    tell_folder attempt "$(aside_of "$attempt")"
  done
fi
