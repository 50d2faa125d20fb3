#!/bin/sh
# Removes kubeadm's copies from before older upgrades.
#
# Given:  COPIES  the folder of all of them
#         KINDS   how their names begin
#         KEEP    of each kind that many stay, the newest
#
# Prints:  the names of what it removes
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
