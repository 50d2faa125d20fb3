#!/bin/sh
# Finishes a rotation on a node. Its record stays under the name of this run, and the newest copies stay.
#
# Given:  WORK           the folder of rotations
#         RECORD         the file
#         ENDED          the file that the record becomes
#         STAGE          the folder for new pairs
#         CONFIGURATION  for kubeadm
#         PUT_BACK       the mark that the previous files are back
#         FIRST_GONE     copies from this number on are removed; 1 is the newest
# Prints:  nothing
# Status:  not 0 if a file cannot be written

set -eu
rm -rf "$STAGE" "$CONFIGURATION" "$PUT_BACK"
[ ! -e "$RECORD" ] || mv "$RECORD" "$ENDED"
# shellcheck disable=SC2012 # by their time; their names are ours
ls -t "$WORK"/*.tar 2> /dev/null | tail -n "+$FIRST_GONE" | while read -r file; do
  rm -f "$file"
done
