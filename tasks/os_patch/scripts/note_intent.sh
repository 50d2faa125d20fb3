#!/bin/sh
# Records what a run wants to do here, before it changes anything. The intent comes on standard input (JSON), because it may be long.
#
# Given:  FRESH  `yes` if no run has begun here; then the installed packages are recorded too
#         DUE    `yes` if packages are due; then the record of an earlier boot with all packages is removed
# Prints:  nothing
# Status:  not 0 if it is not on the disk

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
