#!/bin/sh
# Ends a rotation on a node: its record stays under the name of the run that ended it, and the newest copies stay.
#
# Given:  WORK           the folder of rotations
#         RECORD         the file
#         ENDED          the file that the record becomes
#         STAGE          the folder for new pairs
#         CONFIGURATION  for kubeadm
#         PUT_BACK       the mark that the previous files are back
#         FIRST_GONE     1 for the newest copy, and so on: from this one on they are removed
# Prints:  nothing
# Status:  another one than 0 where a file cannot be written

set -eu
rm -rf "$STAGE" "$CONFIGURATION" "$PUT_BACK"
[ ! -e "$RECORD" ] || mv "$RECORD" "$ENDED"
# shellcheck disable=SC2012 # by their time; their names are ours
ls -t "$WORK"/*.tar 2> /dev/null | tail -n "+$FIRST_GONE" | while read -r file; do
  rm -f "$file"
done
