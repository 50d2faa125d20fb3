#!/bin/sh
# Functions for streams: a pipe has the status of its last program only, and nobody counts what runs through it.
#
# Given:  WORK  the folder of the job

# Runs a program of a pipe, and writes its status into the file NAME.status.
noting() { # NAME COMMAND...
  name=$1
  shift
  status=0
  "$@" || status=$?
  echo "$status" > "$WORK/$name.status"
}

# Begins to sum and to count what `tee NAME.sum NAME.count` writes.
watch() { # NAME
  mkfifo "$WORK/$1.sum" "$WORK/$1.count"
  sha256sum < "$WORK/$1.sum" > "$WORK/$1.sha256" &
  wc -c < "$WORK/$1.count" > "$WORK/$1.size" &
}

# Copies standard input, and shows it to `watch`.
watched() { # NAME
  tee "$WORK/$1.sum" "$WORK/$1.count"
}

# Prints what was watched, after `wait`.
tell() { # NAME
  echo "$1_size $(cat "$WORK/$1.size")"
  echo "$1_sha256 $(cut -d" " -f1 "$WORK/$1.sha256")"
}

# Ends the script unless the program has succeeded.
need() { # NAME STATUS...
  found=$(cat "$WORK/$1.status")
  name=$1
  shift
  for status; do
    [ "$found" -ne "$status" ] || return 0
  done
  [ ! -s "$WORK/$name.log" ] || tail -n 5 "$WORK/$name.log"
  echo "$name ended with status $found"
  exit 1
}
