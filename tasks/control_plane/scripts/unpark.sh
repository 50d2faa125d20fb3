#!/bin/sh
# Gives static pods back to the kubelet, and etcd's unit back to systemd. It is safe to run again at any point.
#
# It restarts the kubelet, which otherwise waits up to five minutes for a pod that had crashed.
#
# Given:  PODS  their names
#
# Prints:  nothing
# Status:  not 0 if kubelet or the unit cannot be started

. tasks/control_plane/scripts/etcd_unit.lib.sh

set -eu

moved=no
for pod in $PODS; do
  [ -e "$PARKED/$pod.yaml" ] || continue
  mv -f "$PARKED/$pod.yaml" "$MANIFESTS/$pod.yaml"
  moved=yes
done
[ "$moved" = no ] || systemctl restart kubelet
case " $PODS " in
  *" etcd "*) start_unit ;;
esac
