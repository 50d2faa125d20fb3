#!/bin/sh
# Gives this node's kubelet the kubeconfig on standard input, which names the file of its client certificate, and restarts it. Pods
# go on.
#
# Given:  KUBECONFIG   the kubelet's
#         KUBELET_PKI  kubelet's own folder
#
# Prints:  nothing
# Status:  not 0 if the certificate in that file is none, has expired, or is not for the key beside it: then nothing is
#          changed

. tasks/core/lib.sh

set -eu
umask 077
current=$KUBELET_PKI/kubelet-client-current.pem
certificate=$(openssl x509 -noout -checkend 60 -in "$current" > /dev/null && openssl x509 -noout -pubkey -in "$current") || certificate=
if [ -z "$certificate" ] || [ "$certificate" != "$(openssl pkey -pubout -in "$current")" ]; then
  echo "$current has no certificate and key that are good" >&2
  exit 1
fi
file=$(readlink -f -- "$KUBECONFIG")
new=$(mktemp "$file.XXXXXX")
cat > "$new"
sync "$new"
like "$new" "$file"
systemctl reset-failed kubelet 2> /dev/null || true
systemctl restart kubelet
