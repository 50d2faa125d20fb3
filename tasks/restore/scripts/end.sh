#!/bin/sh
# Finishes a restore. Its record stays under another name.
#
# Given:  ID      the id of the attempt that has finished
#         OTHERS  the ids of earlier attempts
#
# Prints:  where the previous data is, if this node has a member: `original FOLDER`, `attempt FOLDER`
# Status:  not 0 if that cannot be written

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh

set -eu

# Prints a folder that has data; removes one that has none.
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
  for attempt in "$ID" $OTHERS; do
    tell_folder original "$(kept_of "$attempt")"
    tell_folder attempt "$(aside_of "$attempt")"
  done
fi
