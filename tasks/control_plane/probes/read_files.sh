#!/bin/sh
# Prints the texts of files. Changes nothing.
#
# Given:  FILES  paths, one a line
#
# Prints:  `text PATH TEXT`, both in base64, for each that can be read
# Status:  0

set -fu
IFS='
'
for file in $FILES; do
  [ ! -f "$file" ] || echo "text $(printf '%s' "$file" | base64 -w0) $(base64 -w0 < "$file")"
done
true
