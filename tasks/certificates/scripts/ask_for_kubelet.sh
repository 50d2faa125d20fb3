#!/bin/sh
# Asks for another client certificate of this node's kubelet, by the key that it has; where it has none, by a new one.
#
# Given:  NAME         of the node
#         KUBELET_PKI  kubelet's own folder
#
# Prints:  the request, as PEM
# Status:  not 0 if no key can be made

set -eu
umask 077
key=$KUBELET_PKI/kubelet-client-current.pem
if ! openssl pkey -noout -in "$key" 2> /dev/null; then
  key=$KUBELET_PKI/kube-runbooks-new.key
  openssl pkey -noout -in "$key" 2> /dev/null \
    || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$key" 2> /dev/null
fi
openssl req -new -sha256 -key "$key" -subj "/O=system:nodes/CN=system:node:$NAME"
