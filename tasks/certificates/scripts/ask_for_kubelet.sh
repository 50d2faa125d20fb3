#!/bin/sh
# Asks for another client certificate of this node's kubelet, by the key that it has.
#
# Given:  NAME         of the node
#         KUBELET_PKI  kubelet's own folder
#
# Prints:  the request, as PEM
# Status:  another one than 0 where there is no key

openssl req -new -sha256 -key "$KUBELET_PKI/kubelet-client-current.pem" -subj "/O=system:nodes/CN=system:node:$NAME"
