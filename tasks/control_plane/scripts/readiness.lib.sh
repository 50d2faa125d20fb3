#!/bin/sh
# Whether the API server of this node says that it is ready.
#
# One that answers nobody without a name (`--anonymous-auth=false` is common) is asked as its own client. Any client is told:
# kubeadm's API servers have this one beside them.

# The status of /readyz; what it is given goes to curl.
status_of_readyz() {
  curl --insecure --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$@" \
    "https://127.0.0.1:${readyz_port:-6443}/readyz"
}

# Prints 200 when it is.
readyz() {
  readyz_port=$(sed -n 's/.*--secure-port=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
  readyz_client=/etc/kubernetes/pki/apiserver-kubelet-client
  readyz_status=$(status_of_readyz)
  case "$readyz_status" in
    401 | 403) readyz_status=$(status_of_readyz --cert "$readyz_client.crt" --key "$readyz_client.key") ;;
  esac
  echo "$readyz_status"
}
