#!/bin/sh
# Writes the lock, if it is still as the first line of standard input says. The record is the rest of it.
# It is on the disk before that: a node that loses its power does not forget who has it.
#
# Prints:  what is there then, as `look_at_lock.sh` does
# Status:  another one than 0 where the file cannot be read or written

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
