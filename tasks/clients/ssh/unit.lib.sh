#!/bin/sh
# Checks whether a job's unit exists.
#
# Given:  UNIT  of systemd

# Checks whether systemd has it, even if it is stopping. If systemd does not answer, ends the script with `unknown - 0`: that is no proof of absence.
is_there() {
  unit_state=$(systemctl show --property=ActiveState --value "$UNIT" 2>&1) || {
    echo "unknown - 0"
    echo "$unit_state"
    exit 0
  }
  case "$unit_state" in
    inactive | failed) return 1 ;;
  esac
}
