#!/bin/sh
# Functions for the traces of a restore on a node: its record, and the phase of each attempt.
#
# Given:  RESTORES  the folder with them

# Prints the phase of an attempt, or nothing if it has not begun. A file that exists and cannot be read ends the script.
phase_of() { # ID
  [ ! -e "$RESTORES/$1.phase" ] || cat "$RESTORES/$1.phase"
}

# Writes a file to the disk before the next act.
set_phase() { # ID PHASE
  echo "$2" > "$RESTORES/$1.phase.new"
  sync "$RESTORES/$1.phase.new"
  mv "$RESTORES/$1.phase.new" "$RESTORES/$1.phase"
}

write_record() { # TEXT
  printf '%s' "$1" > "$RESTORES/record.json.new"
  sync "$RESTORES/record.json.new"
  mv "$RESTORES/record.json.new" "$RESTORES/record.json"
}
