#!/bin/sh
# What a control plane node has: manifests, processes, etcd's disk, and the traces of a restore. Changes nothing.
#
# Given:  PODS       names of the control plane's static pods
#         MANIFESTS  the folder where kubelet finds them
#         PARKED     the folder where they are out of its way
#         UNIT       of an etcd that is no static pod
#         PROGRAMS   that a restore needs
#         RESTORES   the folder where a restore keeps its traces
#
# Prints:  a line for each thing, its kind first; texts of files in base64
# Status:  0

. tasks/control_plane/scripts/processes.lib.sh

set -u

encoded() {
  base64 -w0
}

# The manifest of pod $1, where it is active or parked. Sets `etcd` to the text of etcd's.
tell_manifest() {
  for place in active:"$MANIFESTS" parked:"$PARKED"; do
    file=${place#*:}/$1.yaml
    [ -e "$file" ] || continue
    echo "manifest $1 ${place%%:*} $(encoded < "$file")"
    [ "$1" != etcd ] || etcd=$(tr '\n' ' ' < "$file")
    break
  done
}

property() {
  systemctl show --property="$1" --value "$UNIT"
}

# Variables of etcd in the unit's environment and in the files of it.
variables() {
  {
    property Environment | tr ' ' '\n'
    property EnvironmentFiles | sed 's/ (.*//' | xargs -r cat 2> /dev/null
  } | grep '^ETCD_' || true
}

# The unit, if there is one. Sets `etcd` to its command and its data directory.
tell_unit() {
  systemctl cat "$UNIT" > /dev/null 2>&1 || return 0
  flags=$(variables)
  etcd="$(property ExecStart) $(echo "$flags" | sed -n 's/^ETCD_DATA_DIR=/--data-dir=/p')"
  echo "unit $(echo "$etcd" | encoded) $(echo "$flags" | encoded)"
  echo "version $(etcd --version 2> /dev/null | sed -n 's/^etcd Version: //p')"
}

# Bytes of the file system that has, or will have, this path.
free() {
  path=$1
  while [ ! -e "$path" ]; do path=$(dirname "$path"); done
  df --output=avail -B1 "$path" | tail -n 1
}

# The record of a restore, how far attempts have come, and those that have ended or are over.
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

# The disk of the data directory.
tell_data() {
  echo "data_free $(free "$(dirname "$1")/x")"
  [ ! -d "$1" ] || echo "data_free $(free "$1")"
  echo "data_bytes $(du -sb "$1" 2> /dev/null | cut -f1)"
  echo "data_owner $(stat -c %u:%g "$1" 2> /dev/null || echo 0:0)"
  ! mountpoint -q "$1" || echo "data_mount yes"
  others_with "$1/member/snap/db" | sed 's/^/data_held /'
}

etcd=""
unseen=$(sees_processes 2>&1) || echo "unseen $unseen"
for pod in $PODS; do
  tell_manifest "$pod"
  [ -z "$(pids_of "$pod")" ] || echo "running $pod"
done
[ -n "$etcd" ] || tell_unit
for program in $PROGRAMS; do
  command -v "$program" > /dev/null || echo "missing $program"
done
echo "work_free $(free "$RESTORES")"
tell_restores
data=$(echo "$etcd" | sed -n 's/.*--data-dir[= ]\([^ ]*\).*/\1/p')
[ -z "$data" ] || tell_data "$data"
true
