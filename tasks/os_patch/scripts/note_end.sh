#!/bin/sh
# Records that a run has finished here, and removes its intent.
#
# Given:  RUN_ID  the run
# Prints:  nothing
# Status:  not 0 if that could not be written

. tasks/os_patch/scripts/patch.lib.sh

set -eu
echo "$RUN_ID" > "$PATCHES/last.new"
mv "$PATCHES/last.new" "$PATCHES/last"
rm -f "$PATCHES/intent" "$PATCHES/patched" "$PATCHES/before" "$PATCHES/now"
