#!/bin/sh
# Records on the node which phase a restore has reached, unless it has reached a later one.
#
# Given:  ID      the id of the attempt
#         RECORD  the record of the restore
#         PHASE   the phase
#
# Prints:  nothing
# Status:  not 0 if that cannot be written

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
