#!/bin/sh
# Prints the diagnostics of a node after a failed patch. Changes nothing.
#
# Given:  PATCHES  our own folder
# Prints:  text for people
# Status:  0

set +e
echo "== boot $(cat /proc/sys/kernel/random/boot_id), kernel $(uname -r), $(uptime)"
echo "== systemd"
systemctl is-system-running
systemctl list-units --state=failed --no-pager --plain
for unit in $(systemctl list-units --state=failed --no-legend --plain | awk '{ print $1 }'); do
  echo "== $unit"
  journalctl -u "$unit" -n 40 --no-pager -o short-iso
done
echo "== packages"
dpkg --audit 2> /dev/null
tail -n 60 /var/log/dpkg.log 2> /dev/null
tail -n 60 "$PATCHES/output" 2> /dev/null
echo "== kubelet"
journalctl -u kubelet -n 100 --no-pager -o short-iso
echo "== boots"
journalctl --list-boots --no-pager 2> /dev/null | tail -n 5
true
