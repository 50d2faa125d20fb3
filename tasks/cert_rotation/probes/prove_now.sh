#!/bin/sh
# Asks what the proofs of a node ask, before anything is changed. Changes nothing.
#
# Given:  PORTS  a line for each program that says on loopback whether it is well: its static pod and its port
# Prints:  `has` and each program that proofs need; `health POD` and what it says; `who` and `nobody` as `who_with.sh`
# Status:  0

. tasks/cert_rotation/probes/health.lib.sh
. tasks/cert_rotation/probes/who.lib.sh

for program in curl kubectl; do
  ! command -v "$program" > /dev/null || echo "has $program"
done
while read -r pod port <&4; do
  echo "health $pod $(health "$port")"
done 4<< END
$PORTS
END
ask_who
