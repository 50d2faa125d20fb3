#!/bin/sh
# Stores halves of a rotation, readable by root only. Standard input has a line for each: `NAME BASE64`. On a node that signs, the
# old key is stored beside them. An existing half stays; a different one of the same name is an error.
#
# Given:  KEY        the file of the signing key; empty on a node that signs nothing
#         ROTATIONS  the folder of all rotations
#         HALVES     the folder of this one
#
# Prints:  nothing
# Status:  not 0 if another half of that name is there already

set -eu
umask 077

# NEW FILE
put() {
  sync "$1"
  mv -f "$1" "$2"
}

# FILE, whose content is in FILE.new
keep_the_first() {
  if [ ! -e "$1" ]; then
    put "$1.new" "$1"
  elif cmp -s "$1.new" "$1"; then
    rm -f "$1.new"
  else
    rm -f "$1.new"
    echo "another ${1##*/} is there already" >&2
    exit 1
  fi
}

mkdir -p "$ROTATIONS" "$HALVES"
chmod 700 "$ROTATIONS" "$HALVES"
while read -r name text; do
  printf '%s' "$text" | base64 -d > "$HALVES/$name.new"
  keep_the_first "$HALVES/$name"
done
if [ -e "$KEY" ] && [ ! -e "$HALVES/old.key" ]; then
  cp "$KEY" "$HALVES/old.key.new"
  put "$HALVES/old.key.new" "$HALVES/old.key"
fi
sync
