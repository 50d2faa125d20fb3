#!/bin/sh
# Prints the kubeconfig of the kubelet, and which API server it used before an upgrade pointed it to another one. Changes nothing.
#
# Given:  KUBELET_CONF    the kubelet's kubeconfig
#         KUBELET_SERVER  the file that records the previous server and the temporary one
#
# Prints:  `conf TEXT` and `kept TEXT`, in base64
# Status:  not 0 if the kubeconfig cannot be read

set -eu
echo "conf $(base64 -w0 < "$KUBELET_CONF")"
[ ! -e "$KUBELET_SERVER" ] || echo "kept $(base64 -w0 < "$KUBELET_SERVER")"
