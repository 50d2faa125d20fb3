#!/bin/sh
# Makes the folder where snapshots wait for their upload, and checks whether one can be taken.
#
# Given:   ROOT      the folder
#          PROGRAMS  that the job needs
# Prints:  the free bytes in the folder, then the missing programs, one a line
# Status:  0

mkdir -p "$ROOT"
df --output=avail -B1 "$ROOT" | tail -n 1
for program in $PROGRAMS; do
  command -v "$program" > /dev/null || echo "$program"
done
