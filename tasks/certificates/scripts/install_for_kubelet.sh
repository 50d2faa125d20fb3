#!/bin/sh
# Puts the client certificate on standard input in place, as this node's kubelet does it: a new file with the key that it has,
# and a link to it. Then kubelet is restarted; pods go on.
#
# Given:  KUBELET_PKI  kubelet's own folder
#
# Prints:  nothing
# Status:  not 0 if the certificate is not for the key of this node, which keeps its own then

set -eu
umask 077
current=$KUBELET_PKI/kubelet-client-current.pem
made=$KUBELET_PKI/kube-runbooks-new.key
key=$current
[ ! -e "$made" ] || key=$made
new=$KUBELET_PKI/kubelet-client-$(date -u +%Y-%m-%d-%H-%M-%S).pem

cat > "$new.new"
certificate=$(openssl x509 -noout -pubkey -in "$new.new") || certificate=
if [ -z "$certificate" ] || [ "$certificate" != "$(openssl pkey -pubout -in "$key")" ]; then
  rm -f "$new.new"
  echo "it is not for the key of this node" >&2
  exit 1
fi
sed -n '/-----BEGIN.*PRIVATE KEY-----/,/-----END.*PRIVATE KEY-----/p' "$key" >> "$new.new"
mv -f "$new.new" "$new"
ln -sfT "$new" "$current.new" # an earlier attempt may have died right after it
mv -fT "$current.new" "$current"
rm -f "$made"
sync
systemctl reset-failed kubelet 2> /dev/null || true
systemctl restart kubelet
