#!/bin/sh
# Lays down halves of a rotation, for root alone: a line each on standard input, `NAME BASE64`. The old key, which a node that
# signs has, is laid down beside them. What is there already stays: another one is an error.
#
# Given:  FOLDER     kubeadm's
#         KEY        the file of the key that signs, below FOLDER
#         ROTATIONS  where halves of all rotations are
#         HALVES     those of this one
#
# Prints:  nothing
# Status:  another one than 0 where another half of that name is there already

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
cd "$FOLDER"
while read -r name text; do
  printf '%s' "$text" | base64 -d > "$HALVES/$name.new"
  keep_the_first "$HALVES/$name"
done
if [ -e "$KEY" ] && [ ! -e "$HALVES/old.key" ]; then
  cp "$KEY" "$HALVES/old.key.new"
  put "$HALVES/old.key.new" "$HALVES/old.key"
fi
sync
