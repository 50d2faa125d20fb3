#!/bin/sh
# Writes the files of a state of the rotation, whatever this node has now. Each is replaced in one move; a link stays a link.
# Changes within files come on standard input, one a line, in order:
#   edit PATH MADE SUM START:END:TEXT...   paths and texts in base64; TEXT replaces the bytes from START to END; MADE is the place
#                                          where that is written first, `-` for beside it
#
# Given:  HALVES   the folder with the old and the new half
#         TRUST    the file with the trusted CAs
#         TRUSTED  the halves that it must have, in order
#         SIGNS    the half that signs; empty on a node that signs nothing
#         KEY      the file of its key
#         SIGNING  the file with only the certificate of SIGNS; empty: no such file
#
# Prints:  `changed FILE` for each file that was different
# Status:  0; not 0 if a half is not there, a file cannot be written, or its sum is not SUM

. tasks/core/lib.sh

set -eu
umask 077

# MADE FILE: replaces FILE, and keeps its owner and mode.
place() {
  if cmp -s "$1" "$2"; then
    rm -f "$1"
    return
  fi
  sync "$1"
  like "$1" "$2"
  echo "changed $2"
}

# FILE HALF...: writes FILE from the halves' files.
put() {
  file=$(readlink -f "$1")
  shift
  cat "$@" > "$HALVES/made"
  cp "$HALVES/made" "$file.kube-runbooks"
  rm -f "$HALVES/made"
  place "$file.kube-runbooks" "$file"
}

put_trusted() {
  set --
  for half in $TRUSTED; do
    set -- "$@" "$HALVES/$half.pem"
  done
  put "$TRUST" "$@"
}

# While there are two CAs, the controller manager signs with a file of one: it does not start with two.
put_signing_file() {
  [ -e "$SIGNING" ] || cp -p "$TRUST" "$SIGNING"
  put "$SIGNING" "$HALVES/$SIGNS.pem"
}

decoded() {
  printf '%s' "$1" | base64 -d
}

# PATH MADE SUM PIECE...
edit() {
  file=$(readlink -f "$(decoded "$1")")
  made=$file.kube-runbooks
  [ "$2" = - ] || made=$(decoded "$2")
  sum=$(sha256sum < "$file")
  if [ "${sum%% *}" != "$3" ]; then
    echo "$file was changed meanwhile: run it again" >&2
    exit 1
  fi
  shift 3
  # shellcheck disable=SC2174 # the folders above it are there
  mkdir -p -m 700 "$(dirname "$made")"
  at=0
  : > "$made"
  for piece in "$@"; do
    start=${piece%%:*}
    rest=${piece#*:}
    tail -c +$((at + 1)) "$file" | head -c $((start - at)) >> "$made"
    decoded "${rest#*:}" >> "$made"
    at=${rest%%:*}
  done
  tail -c +$((at + 1)) "$file" >> "$made"
  place "$made" "$file"
}

put_trusted
[ -z "$SIGNS" ] || put "$KEY" "$HALVES/$SIGNS.key"
[ -z "$SIGNING" ] || put_signing_file
while read -r _ path made sum pieces; do
  # shellcheck disable=SC2086 # pieces are words
  edit "$path" "$made" "$sum" $pieces
done
sync
