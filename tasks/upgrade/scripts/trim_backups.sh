#!/bin/sh
# Removes kubeadm's copies from older upgrades.
#
# Given:  COPIES  the folder with all copies
#         KINDS   how their names begin
#         KEEP    how many copies of each kind stay, the newest first
#
# Prints:  the names of the removed copies
# Status:  0

set -eu
cd "$COPIES" 2> /dev/null || exit 0
stay=$KEEP
for kind in $KINDS; do
  # shellcheck disable=SC2012 # by age, and the names are kubeadm's
  ls -dt "$kind"* 2> /dev/null | tail -n "+$((stay + 1))" |
    while IFS= read -r name; do
      rm -rf -- "./$name"
      echo "$name"
    done
done
