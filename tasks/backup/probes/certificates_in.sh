#!/bin/sh
# The certificates in some files, and nothing else of them. Changes nothing.
#
# Given:   FILES  a path a line
# Prints:  them, in base64; nothing of a file that is not there
# Status:  0

set -f
IFS='
'
for file in $FILES; do
  sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$file"
done | base64 -w0
