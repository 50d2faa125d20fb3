#!/bin/sh
# Has the kubelet ask the control plane's endpoint, not the API server beside it; nothing is changed where that does not answer.
#
# Given:  ENDPOINT  its URL
#
# Prints:  `changed`, unless it asks the endpoint already
# Status:  another one than 0 where the kubelet cannot be restarted

. tasks/upgrade/scripts/kubelet_server.lib.sh

# Whether the endpoint answers at all: anything that it says is fine.
answers() {
  curl --silent --max-time 5 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt "$ENDPOINT/readyz"
}

set -eu
server=$(asked_server)
read_kept
# What is kept of another time goes away: somebody has changed it since.
[ "$meanwhile" = "$server" ] || rm -f "$KUBELET_SERVER"
[ "$server" != "$ENDPOINT" ] || exit 0
[ "$(echo "$server" | wc -l)" = 1 ] || exit 0
answers || exit 0
mkdir -p "${KUBELET_SERVER%/*}"
[ "$meanwhile" = "$server" ] || before=$server
echo "$before $ENDPOINT" > "$KUBELET_SERVER.new"
mv "$KUBELET_SERVER.new" "$KUBELET_SERVER"
sed -i "s|server: *$server\$|server: $ENDPOINT|" "$KUBELET_CONF"
systemctl restart kubelet
echo changed
