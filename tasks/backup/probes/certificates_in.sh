#!/bin/sh
# Prints the certificates in some files, and nothing else. Changes nothing.
#
# Given:   FILES  paths, one a line
# Prints:  the certificates in base64; a missing file is skipped
# Status:  0

set -f
IFS='
'
for file in $FILES; do
  sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$file"
done | base64 -w0
