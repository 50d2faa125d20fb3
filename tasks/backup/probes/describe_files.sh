#!/bin/sh
# Describes the files that exist. Changes nothing.
#
# Given:   FILES      paths, one a line
#          MANIFESTS  a folder whose manifests are described too; empty: none
# Prints:  the output of sha256sum and stat for each
# Status:  not 0 if a file exists and cannot be read, or it is not known whether it exists; stderr names it

set -f
IFS='
'
# PATH: checks that it certainly does not exist. In a folder that we may not enter, that is unknown.
is_absent() {
  [ ! -e "$1" ] || return 1
  above=$(dirname "$1")
  while [ ! -e "$above" ]; do
    above=$(dirname "$above")
  done
  [ -x "$above" ] || [ ! -d "$above" ]
}

# shellcheck disable=SC2086  # a path a line: split, and not expanded
set -- $FILES
set +f
if [ -n "$MANIFESTS" ]; then
  for file in "$MANIFESTS"/*.yaml "$MANIFESTS"/*.yml "$MANIFESTS"/*.json; do
    [ ! -e "$file" ] || set -- "$@" "$file"
  done
fi
for file in "$@"; do
  shift
  is_absent "$file" || set -- "$@" "$file"
done
[ $# -gt 0 ] || exit 0
sha256sum -- "$@" && stat -L -c '%a %U:%G %n' -- "$@"
