#!/bin/sh
# Hides static pods from the kubelet, or stops etcd's unit. It is safe to run again at any point.
#
# It starts a kubelet that does not run, because only a running kubelet stops the pods. It does not touch a workload's process
# of the same name.
#
# Given:  PODS   their names
#         END    `yes`: their processes get SIGTERM, as from the kubelet
#         TRIES  how often it checks that they are gone; five checks take a second
#
# Prints:  those that still run afterwards
# Status:  not 0 if processes cannot be listed

. tasks/control_plane/scripts/processes.lib.sh
. tasks/control_plane/scripts/etcd_unit.lib.sh

set -eu

park_manifest() {
  [ ! -e "$MANIFESTS/$1.yaml" ] || mv -f "$MANIFESTS/$1.yaml" "$PARKED/$1.yaml"
}

start_kubelet() {
  systemctl is-enabled --quiet kubelet || return 0
  systemctl is-active --quiet kubelet || systemctl start kubelet
}

tell_to_end() {
  pids=$(pids_of "$1") || exit
  for pid in $pids; do
    kill "$pid" || true # it may have ended by itself
  done
}

# Prints their names on one line.
those_that_run() {
  running=""
  for name in $PODS; do
    pids=$(pids_of "$name") || exit
    [ -z "$pids" ] || running="$running $name"
  done
  echo "${running# }"
}

sees_processes
# shellcheck disable=SC2174  # the folder above it is kubeadm's, and there
mkdir -p -m 700 "$PARKED"
for pod in $PODS; do
  park_manifest "$pod"
done
case " $PODS " in
  *" etcd "*) stop_unit ;;
esac
start_kubelet
if [ -n "$END" ]; then
  for pod in $PODS; do
    tell_to_end "$pod"
  done
fi
try=0
left=""
while [ "$try" -lt "$TRIES" ]; do
  left=$(those_that_run)
  [ -n "$left" ] || break
  try=$((try + 1))
  sleep 0.2
done
echo "$left"
