#!/bin/sh
# Asks for an orderly reboot of a machine with this very boot, unless one is under way; never of a machine with another one.
#
# Given:  BOOT  the boot that has to end
# Prints:  `boot ID` of now, and with this very boot `asked`, `under way`, or `blocked WHO` has inhibited a shutdown
# Status:  0

. tasks/os_patch/scripts/patch.lib.sh

set -u
unit=kube-runbooks-reboot
now=$(this_boot)
echo "boot $now"
[ "$now" = "$BOOT" ] || exit 0
if [ "$(systemctl is-system-running 2> /dev/null)" = stopping ]; then
  echo "under way"
  exit 0
fi
if systemctl is-active --quiet "$unit.timer" "$unit.service"; then
  echo "under way"
  exit 0
fi
who=$(list_inhibitors | head -n 1)
if [ -n "$who" ]; then
  echo "blocked $who"
  exit 0
fi
sync
systemd-run --quiet --collect --unit="$unit" --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot
echo asked
