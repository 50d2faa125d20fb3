#!/bin/sh
# Asks the questions of the proofs of a node before any change. Changes nothing.
#
# Given:  ADDRESSES  a line for each program that reports its health: its static pod, and the address with the port
# Prints:  `has` and each program that proofs need; `health POD` and its answer; `who` and `nobody` as in `who_with.sh`
# Status:  0

. tasks/cert_rotation/probes/health.lib.sh
. tasks/cert_rotation/probes/who.lib.sh

for program in curl kubectl; do
  ! command -v "$program" > /dev/null || echo "has $program"
done
while read -r pod address <&4; do
  [ -z "$pod" ] || echo "health $pod $(health "$address")"
done 4<< END
$ADDRESSES
END
ask_who
