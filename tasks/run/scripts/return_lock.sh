#!/bin/sh
# Removes the lock if it is still the one on standard input.
#
# Prints:  what is there afterwards, as `look_at_lock.sh` does
# Status:  not 0 if the file cannot be read or removed

. tasks/run/scripts/lock.lib.sh

begin
own=$(cat)
! is_still "$own" || rm -f "$LOCK"
tell
