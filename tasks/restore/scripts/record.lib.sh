#!/bin/sh
# The traces of a restore on a node: its record, and how far each attempt has come.
#
# Given:  RESTORES  the folder with them

phase_of() { # ID
  cat "$RESTORES/$1.phase" 2> /dev/null || true
}

# On the disk before the next act.
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
