#!/bin/sh
# The record of a rotation, on the node's disk.
#
# Given:  RECORD       the file
#         RECORD_TEXT  what is to be in it

# Writes the whole record, or leaves the one that is there.
write_record() {
  printf '%s' "$RECORD_TEXT" > "$RECORD.new"
  sync "$RECORD.new"
  mv "$RECORD.new" "$RECORD"
}
