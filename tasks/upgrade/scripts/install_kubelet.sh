#!/bin/sh
# Installs the staged kubelet and kubectl, restarts the kubelet, and waits until it reports that it is healthy.
#
# Given:  HEALTHY_SECONDS  seconds that it may take to report that
#         HEALTHZ          HOST:PORT of its healthz; empty if it has none. If it did not answer before, it is not asked afterwards
# Prints:  the output of the package manager, and `restarted SECONDS`, by the node's clock
# Status:  not 0 if it is not healthy by then, or has another version

. tasks/upgrade/scripts/packages.lib.sh

# Asks the kubelet whether it is healthy.
kubelet_says() {
  curl --globoff --noproxy '*' --silent --max-time 2 "http://$HEALTHZ/healthz"
}

set -eu
asked=$HEALTHZ
if [ -n "$asked" ] && [ "$(kubelet_says)" != ok ]; then
  echo "the kubelet did not report that it was healthy before: its heartbeat must prove it"
  asked=
fi
install_staged kubelet kubectl
said=$(kubelet --version) || true
if [ "$said" != "Kubernetes v$VERSION" ]; then
  echo "kubelet is $said"
  exit 1
fi
systemctl daemon-reload
echo "restarted $(date +%s.%N)"
systemctl restart kubelet
[ -n "$asked" ] || exit 0
for _ in $(seq "$HEALTHY_SECONDS"); do
  [ "$(kubelet_says)" != ok ] || exit 0
  sleep 1
done
journalctl -u kubelet -n 40 --no-pager -o cat
echo "the kubelet does not report that it is healthy within $HEALTHY_SECONDS s"
exit 1
