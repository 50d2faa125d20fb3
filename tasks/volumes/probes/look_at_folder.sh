#!/bin/sh
# Looks at the folder of a volume, and at whether this node can archive it. Changes nothing.
#
# Given:   FOLDER    the path of the volume
#          SPOOL     the folder in which a part waits for its upload; it may not exist yet
#          PROGRAMS  that an archive needs
# Prints:  lines `name value`: boot, free (bytes for a part), missing (a program), kind, real (its path without links, in base64);
#          of a folder also filesystem, bytes and entries
# Status:  0

echo "boot $(cat /proc/sys/kernel/random/boot_id)"
place=$SPOOL
while [ ! -d "$place" ]; do
  place=$(dirname "$place")
done
echo "free $(df --output=avail -B1 "$place" | tail -n 1)"
for program in $PROGRAMS; do
  command -v "$program" > /dev/null || echo "missing $program"
done
for program in tar find sed sort; do
  "$program" --version 2>&1 | head -n 1 | grep -q GNU || echo "missing GNU $program"
done
if [ ! -e "$FOLDER" ] && [ ! -L "$FOLDER" ]; then
  echo "kind nothing"
  exit
fi
echo "kind $(stat -c %F "$FOLDER")"
echo "real $(readlink -f "$FOLDER" | base64 -w0)"
[ ! -L "$FOLDER" ] && [ -d "$FOLDER" ] || exit 0
echo "filesystem $(stat -f -c %T "$FOLDER")"
echo "bytes $(du -x -s -B1 --apparent-size "$FOLDER" | cut -f1)"
echo "entries $(find "$FOLDER" -xdev -printf . | wc -c)"
