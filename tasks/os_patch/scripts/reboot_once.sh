#!/bin/sh
# Requests an orderly reboot if the node has this boot id and no reboot is in progress. With another boot id it does nothing.
#
# Given:  BOOT    the id of the boot that must end
#         JUDGED  the list of inhibitors with which a reboot may be requested; empty if none has been judged yet
# Prints:  `boot ID` of the current boot; with the given boot also `asked`, `under way`, or `inhibitors LIST` if that is another list
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
list=$(list_inhibitors)
if [ "$list" != "$JUDGED" ]; then
  echo "inhibitors $list"
  exit 0
fi
sync
if said=$(systemd-run --quiet --collect --unit="$unit" --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot 2>&1); then
  echo asked
else
  echo "refused status $?: $(echo "$said" | tail -n 2 | tr '\n' ' ')"
fi
