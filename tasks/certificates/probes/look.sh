#!/bin/sh
# What a node's programs were told, and which of them run: its manifests, etcd's unit. Changes nothing.
#
# Given:  PARKED  where manifests are that are hidden from the kubelet
#
# Prints:  lines, by their first word: now, hostname, kubeadm, addresses, has PROGRAM, manifest POD PLACE TEXT,
#          unread_manifest POD WHY, other NAME TEXT, process NAME SECONDS CONTAINER, unseen_process NAME WHY, unit.
#          What is encoded is in base64.
# Status:  0

. tasks/control_plane/scripts/processes.lib.sh
. tasks/certificates/probes/look.lib.sh
. tasks/core/manifests.lib.sh

set -u

tell_node() {
  echo "now $(date +%s.%N)"
  echo "hostname $(hostname)"
  echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
  echo "addresses $(hostname -I 2> /dev/null)"
  for program in openssl kubectl; do
    ! command -v "$program" > /dev/null || echo "has $program"
  done
}

# POD: where its manifest is, and what is in it.
tell_manifest() {
  for place in active:"$MANIFESTS" parked:"$PARKED"; do
    file=${place#*:}/$1.yaml
    if ! why=$(why_unread "$file"); then
      echo "manifest $1 ${place%%:*} $(encoded < "$file")"
      return 0
    fi
    [ "$why" = "it is not there" ] || echo "unread_manifest $1 $(as_word "$file: $why")"
  done
}

tell_programs() {
  for pod in $PODS; do
    tell_manifest "$pod"
    process "$pod"
  done
  tell_others
  process kubelet
  if unit=$(systemctl show --property=ExecStart --value etcd.service 2>&1); then
    [ -z "$unit" ] || echo "unit $(printf '%s' "$unit" | encoded)"
  else
    echo "unseen_process etcd $(as_word "systemd does not say whether it has a unit of it: $unit")"
  fi
}

tell_node
tell_programs
true
