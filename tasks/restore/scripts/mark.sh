#!/bin/sh
# Remembers on the node how far a restore has come, unless it has come further.
#
# Given:  ID      of the attempt
#         RECORD  of the restore
#         PHASE   that it has come to
#
# Prints:  nothing
# Status:  another one than 0 where that cannot be written

. tasks/restore/scripts/record.lib.sh

set -eu
umask 077

number_of() { # PHASE
  case "$1" in
    prepared) echo 1 ;;
    stopped) echo 2 ;;
    swapped) echo 3 ;;
    serving) echo 4 ;;
    *) echo 0 ;;
  esac
}

mkdir -p "$RESTORES"
write_record "$RECORD"
now=$(phase_of "$ID")
if [ "$(number_of "$now")" -le "$(number_of "$PHASE")" ]; then
  set_phase "$ID" "$PHASE"
fi
