#!/bin/sh
# A run has come to its end here: what it wanted is no news any more.
#
# Given:  RUN_ID  the run
# Prints:  nothing
# Status:  another one than 0 where that could not be written down

. tasks/os_patch/scripts/patch.lib.sh

set -eu
echo "$RUN_ID" > "$PATCHES/last.new"
mv "$PATCHES/last.new" "$PATCHES/last"
rm -f "$PATCHES/intent" "$PATCHES/patched" "$PATCHES/before" "$PATCHES/now"
