#!/bin/sh
# Gives static pods back to kubelet, and etcd's unit to systemd. Can be run again at any point.
#
# kubelet is restarted with it: it remembers that a pod had crashed, and would wait for up to five minutes.
#
# Given:  PODS  their names
#
# Prints:  nothing
# Status:  another one than 0 where kubelet or the unit cannot be started

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
