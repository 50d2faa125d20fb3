#!/bin/sh
# Points the kubelet to another API server. Standard input has its new kubeconfig.
#
# Given:  KUBELET_CONF    the kubelet's kubeconfig
#         KUBELET_SERVER  the file that records the previous server and the temporary one
#         ENDPOINT        URL that must answer, otherwise nothing is changed; empty: no check
#         CA              the CA of that URL in PEM; empty if CA_FILE is given
#         CA_FILE         the file of that CA on this node
#         KEPT            the new record; empty: the record is removed
#
# Prints:  `changed`, if it was
# Status:  not 0 if the kubelet cannot be restarted

# Checks whether the endpoint answers at all. Any answer counts.
answers() {
  [ -z "$CA" ] || printf '%s' "$CA" > "$work/ca.crt"
  curl --globoff --silent --max-time 5 --output /dev/null --cacert "${CA_FILE:-$work/ca.crt}" "$ENDPOINT/readyz"
}

set -eu
umask 077
conf=$(realpath "$KUBELET_CONF")
work=$(mktemp -d)
trap 'rm -rf "$work" "$conf.kube-runbooks"' EXIT
[ -z "$ENDPOINT" ] || answers || exit 0
cat > "$conf.kube-runbooks"
chmod --reference="$conf" "$conf.kube-runbooks"
chown --reference="$conf" "$conf.kube-runbooks"
if [ -n "$KEPT" ]; then
  mkdir -p "${KUBELET_SERVER%/*}"
  echo "$KEPT" > "$KUBELET_SERVER.new"
  mv "$KUBELET_SERVER.new" "$KUBELET_SERVER"
fi
mv "$conf.kube-runbooks" "$conf"
systemctl restart kubelet
[ -n "$KEPT" ] || rm -f "$KUBELET_SERVER"
echo changed
