#!/bin/sh
# Writes down what a run wants here, before it touches anything. It comes by standard input (JSON): it may be long.
#
# Given:  FRESH  `yes` where no run has begun here: then what is installed is written down, too
#         DUE    `yes` where packages are due: a boot with which they were all there is no news any more
# Prints:  nothing
# Status:  another one than 0 where it is not on the disk

. tasks/os_patch/scripts/patch.lib.sh

note_packages() {
  list_packages > "$PATCHES/before.new"
  place before
}

set -eu
umask 077
[ -z "$FRESH" ] || note_packages
cat > "$PATCHES/intent.new"
[ -z "$DUE" ] || rm -f "$PATCHES/patched"
place intent
sync "$PATCHES"
