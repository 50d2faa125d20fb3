#!/bin/sh
# Installs the staged kubelet and kubectl, and restarts the kubelet, until it says that it is healthy, of that version.
#
# Given:  HEALTHY_SECONDS  that it has to say so
#
# Prints:  what the package manager says, and `restarted SECONDS`, by the node's clock
# Status:  another one than 0 where it is not healthy by then, or is of another version

. tasks/upgrade/scripts/packages.lib.sh

# Asks the kubelet whether it is healthy.
kubelet_says() {
  port=$(sed -n 's/^healthzPort: *//p' /var/lib/kubelet/config.yaml)
  curl --silent --max-time 2 "http://127.0.0.1:${port:-10248}/healthz"
}

set -eu
install_staged kubelet kubectl
said=$(kubelet --version) || true
if [ "$said" != "Kubernetes v$VERSION" ]; then
  echo "kubelet is $said"
  exit 1
fi
systemctl daemon-reload
echo "restarted $(date +%s.%N)"
systemctl restart kubelet
for _ in $(seq "$HEALTHY_SECONDS"); do
  [ "$(kubelet_says)" != ok ] || exit 0
  sleep 1
done
echo "kubelet does not say that it is healthy"
journalctl -u kubelet -n 40 --no-pager -o cat
exit 1
