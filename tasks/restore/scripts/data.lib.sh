#!/bin/sh
# Functions for the data directory of a member and the folders beside it. Each move between them is one rename.
#
# Given:  DATA      the data directory
#         IS_MOUNT  `yes` if it is a mount point: it stays, its content moves, and the other folders lie in it

# Says which part of each folder moves.
# shellcheck disable=SC2034  # read by those that source this
below=${IS_MOUNT:+/member}

beside() { # NAME
  if [ -n "$IS_MOUNT" ]; then
    echo "$DATA/$1"
  else
    echo "$DATA.$1"
  fi
}

# Prints where the restored data of attempt ID waits.
restored_of() {
  beside "restore-$1"
}

# Prints where attempt ID keeps the original data.
kept_of() {
  beside "before-$1"
}

# Prints where attempt ID keeps the data that the previous attempt restored, if the original is kept already.
aside_of() {
  beside "attempt-$1"
}
