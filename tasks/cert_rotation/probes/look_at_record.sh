#!/bin/sh
# Prints what rotations have left on a node. Changes nothing.
#
# Given:  WORK    the folder of rotations
#         RECORD  the file
# Prints:  `record` and the file in base64; `ended` and the id of each run that ended there
# Status:  0

[ ! -e "$RECORD" ] || echo "record $(base64 -w0 < "$RECORD")"
for file in "$WORK"/*.ended; do
  [ ! -e "$file" ] || echo "ended $(basename "$file" .ended)"
done
true
