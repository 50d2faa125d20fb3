#!/bin/sh
# Writes the lock if it is still as the first line of standard input says. The other lines are the record.
# The record is on the disk before the rename: a node that loses power still knows who has the lock.
#
# Prints:  what is there afterwards, as `look_at_lock.sh` does
# Status:  not 0 if the file cannot be read or written

. tasks/run/scripts/lock.lib.sh

begin
read -r expected
now=free
[ ! -e "$LOCK" ] || now=$(stat -c %y "$LOCK")
if [ "$now" = "$expected" ]; then
  cat > "$LOCK.new"
  sync "$LOCK.new"
  mv -fT "$LOCK.new" "$LOCK"
  sync "${LOCK%/*}"
fi
tell
