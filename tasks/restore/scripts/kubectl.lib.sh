#!/bin/sh
# A control plane node's own kubectl, as its own administrator.

as_administrator() {
  kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=20s "$@"
}
