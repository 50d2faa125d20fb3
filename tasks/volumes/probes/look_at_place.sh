#!/bin/sh
# Looks at the folder into which an archive is restored, and at the room there. Changes nothing.
#
# Given:   PLACE  the path of the folder; it may not exist yet
#          OLD    the folder that was archived
# Prints:  lines `name value`: kind; real (the path without links, or that of the folder above, in base64); of a folder also content
#          (its first entry, in base64), whole (an earlier attempt has restored it there), apart (from the file system of the old folder), filesystem (where
#          it is mounted, in base64), free, spare (bytes that may be written), spare_entries, watched (it has a folder of the node itself),
#          left (bytes of an interrupted attempt)
# Status:  0

. tasks/volumes/scripts/room.lib.sh

set -eu
where=$PLACE kind=nothing
if [ -e "$PLACE" ] || [ -L "$PLACE" ]; then
  kind=$(stat -c %F "$PLACE")
else
  where=$(dirname "$PLACE")
fi
echo "kind $kind"
[ -d "$where" ] || exit 0
echo "real $(readlink -f "$where" | base64 -w0)"
first=
if [ "$kind" = directory ]; then
  first=$(first_entry "$PLACE")
  echo "content $(printf "%s" "$first" | base64 -w0)"
fi
if [ -e "$PLACE/${NEW##*/}/whole" ] || { [ -n "$first" ] && is_noted "$PLACE"; }; then # a note about a folder that was emptied says nothing
  echo "whole yes"
fi
if [ -d "$OLD" ] && [ "$(stat -c %d "$OLD")" != "$(stat -c %d "$where")" ]; then
  echo "apart yes"
fi
echo "filesystem $(df --output=target "$where" | tail -n 1 | base64 -w0)"
room "$where"
echo "free $free"
echo "spare $spare"
echo "spare_entries $spare_entries"
[ -z "$is_watched" ] || echo "watched yes"
[ ! -d "$NEW" ] || echo "left $(du -x -s -B1 "$NEW" | cut -f1)"
