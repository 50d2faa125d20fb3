#!/bin/sh
# The API server that the kubelet of this node asks, and the one that it asked before an upgrade had it ask another one.
#
# Given:  KUBELET_CONF    the kubelet's kubeconfig
#         KUBELET_SERVER  the file that keeps which one it asked before, and which one meanwhile

# Prints which API server the kubelet asks.
asked_server() {
  sed -n 's/^ *server: *//p' "$KUBELET_CONF"
}

# Sets `before` and `meanwhile` to what is kept, both empty where nothing is.
read_kept() {
  before=""
  meanwhile=""
  # shellcheck disable=SC2034 # by who sources this
  [ ! -e "$KUBELET_SERVER" ] || read -r before meanwhile < "$KUBELET_SERVER" || true
}
