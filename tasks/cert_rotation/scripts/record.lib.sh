#!/bin/sh
# Writes the record of a rotation to the node's disk.
#
# Given:  RECORD       the file
#         RECORD_TEXT  its content

# Writes the whole record, or leaves the one that is there.
write_record() {
  printf '%s' "$RECORD_TEXT" > "$RECORD.new"
  sync "$RECORD.new"
  mv "$RECORD.new" "$RECORD"
}
