#!/bin/sh
# Takes static pods away from kubelet, or stops etcd's unit. Can be run again at any point.
#
# A kubelet that does not run would not notice: it is started. Without a manifest it starts none of them again. A workload's
# process of the same name is left alone.
#
# Given:  PODS   their names
#         END    `yes`: their processes are told to end, by SIGTERM, as kubelet does it
#         TRIES  to see that they are gone: five of them take a second
#
# Prints:  those that still run then
# Status:  another one than 0 where processes cannot be seen

. tasks/control_plane/scripts/processes.lib.sh
. tasks/control_plane/scripts/etcd_unit.lib.sh

set -eu

park_manifest() {
  [ ! -e "$MANIFESTS/$1.yaml" ] || mv -f "$MANIFESTS/$1.yaml" "$PARKED/$1.yaml"
}

start_kubelet() {
  systemctl is-enabled --quiet kubelet 2> /dev/null || return 0
  systemctl is-active --quiet kubelet || systemctl start kubelet
}

tell_to_end() {
  for pid in $(pids_of "$1"); do
    kill "$pid" || true
  done
}

# Their names, one behind the other.
those_that_run() {
  running=""
  for name in $PODS; do
    [ -z "$(pids_of "$name")" ] || running="$running $name"
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
