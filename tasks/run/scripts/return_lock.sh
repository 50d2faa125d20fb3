#!/bin/sh
# Removes the lock if it is still the one on standard input.
#
# Prints:  what is there then, as `look_at_lock.sh` does
# Status:  another one than 0 where the file cannot be read or removed

. tasks/run/scripts/lock.lib.sh

begin
own=$(cat)
! is_still "$own" || rm -f "$LOCK"
tell
