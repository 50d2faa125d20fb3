#!/bin/sh
# Has the kubelet ask what it asked before `point_kubelet_at.sh`; kubeadm does the same at the end of an upgrade.
# What an upgrade that died has left is written back only where the kubelet still asks what that one had it ask.
#
# Prints:  nothing
# Status:  another one than 0 where the kubelet cannot be restarted

. tasks/upgrade/scripts/kubelet_server.lib.sh

set -eu
[ -e "$KUBELET_SERVER" ] || exit 0
read_kept
if [ -n "$meanwhile" ] && [ "$(asked_server)" = "$meanwhile" ]; then
  sed -i "s|server: .*|server: $before|" "$KUBELET_CONF"
  systemctl restart kubelet
fi
rm "$KUBELET_SERVER"
