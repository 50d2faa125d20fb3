#!/bin/sh
# Prints the state of a control plane node: manifests, the unit of etcd, processes, and the traces of a restore. Changes nothing.
#
# Given:  PARKED     the folder of parked manifests
#         UNIT       the unit of an etcd that is no static pod
#         PROGRAMS   programs that a restore needs
#         RESTORES   the folder where a restore keeps its traces
#
# Prints:  a line for each thing, its kind first; texts in base64
# Status:  0

. tasks/control_plane/scripts/processes.lib.sh
. tasks/control_plane/scripts/disk.lib.sh
. tasks/core/manifests.lib.sh

set -u

encoded() {
  base64 -w0
}

# Prints the manifest of pod $1, active or parked.
tell_manifest() {
  for place in active:"$MANIFESTS" parked:"$PARKED"; do
    file=${place#*:}/$1.yaml
    [ -e "$file" ] || continue
    echo "manifest $1 ${place%%:*} $(encoded < "$file")"
    break
  done
}

# Prints the unit as systemd has it; LoadState says whether there is one.
tell_unit() {
  echo "unit $(systemctl show --property=LoadState,User,Group,ExecStart,Environment,EnvironmentFiles "$UNIT" 2>&1 | encoded)"
}

# Prints the kubelet's unit, as systemd has it.
tell_kubelet() {
  echo "kubelet $(systemctl show --property=LoadState,ActiveState,UnitFileState kubelet.service 2>&1 | encoded)"
}

# Prints the record of a restore, the phases of attempts, and the attempts that are finished or over.
tell_restores() {
  if [ -e "$RESTORES/record.json" ]; then
    echo "record $(encoded < "$RESTORES/record.json")"
  fi
  for file in "$RESTORES"/*.phase; do
    [ ! -e "$file" ] || echo "phase $(basename "$file" .phase) $(cat "$file")"
  done
  for kind in ended over; do
    for file in "$RESTORES"/*."$kind"; do
      [ ! -e "$file" ] || echo "$kind $(basename "$file" ".$kind")"
    done
  done
}

unseen=$(sees_processes 2>&1) || echo "unseen $unseen"
for pod in $PODS; do
  tell_manifest "$pod"
  pids=$(pids_of "$pod") || echo "unseen systemd does not say which process is that of $pod"
  [ -z "$pids" ] || echo "running $pod"
done
tell_others
tell_unit
tell_kubelet
for program in $PROGRAMS; do
  command -v "$program" > /dev/null || echo "missing $program"
done
tell_free work "$RESTORES"
tell_restores
