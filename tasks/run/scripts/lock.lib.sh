#!/bin/sh
# Functions for the file that says who has the lock of a node.
#
# Given:  LOCK  the file

# Until the script ends, no other script can act between its question and its act.
begin() {
  set -eu
  mkdir -p "${LOCK%/*}"
  exec 9> "$LOCK.mutex"
  flock -w 4 9
}

# Prints `free`, or the mark of the last renewal and then the file.
tell() {
  if [ -e "$LOCK" ] || [ -L "$LOCK" ]; then
    stat -c %y "$LOCK"
    cat "$LOCK"
  else
    echo free
  fi
}

# Checks whether the file still has this text.
is_still() {
  [ -e "$LOCK" ] && [ "$(cat "$LOCK")" = "$1" ]
}
