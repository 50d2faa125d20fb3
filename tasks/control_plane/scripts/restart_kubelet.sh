#!/bin/sh
# Restarts the kubelet if there is one. A machine with only etcd has none, or a disabled one. A running kubelet is restarted, enabled
# or not.
#
# Prints:  nothing
# Status:  not 0 if it cannot be restarted, or systemd does not say whether it runs

set -eu
state=$(systemctl show --property=ActiveState --value kubelet)
if [ "$state" = inactive ] && ! systemctl is-enabled --quiet kubelet; then
  exit 0
fi
systemctl restart kubelet
