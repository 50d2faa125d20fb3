#!/bin/sh
# The data directory of a member, and the folders beside it: each move between them is one rename.
#
# Given:  DATA      the data directory
#         IS_MOUNT  `yes` where it is a mount point: it stays, and what is in it moves; folders beside it lie in it

# What of each folder moves.
# shellcheck disable=SC2034  # read by those that source this
below=${IS_MOUNT:+/member}

beside() { # NAME
  if [ -n "$IS_MOUNT" ]; then
    echo "$DATA/$1"
  else
    echo "$DATA.$1"
  fi
}

# Where the restored data of attempt ID waits.
restored_of() {
  beside "restore-$1"
}

# Where attempt ID keeps the original data.
kept_of() {
  beside "before-$1"
}

# Where attempt ID keeps what the one before it had restored, while the original is kept already.
aside_of() {
  beside "attempt-$1"
}
