#!/bin/sh
# What tells in a moment whether a machine is well: its boot, units, static pods, its own API server, and jobs of ours.
#
# Given:  UNITS  of systemd that are asked for

# Standard input as one word.
encoded() {
  base64 -w0
}

# Prints the node's clock and its boot.
tell_boot() {
  echo "now $(date +%s.%N)"
  echo "boot $(cat /proc/sys/kernel/random/boot_id)"
}

# Prints which units run.
tell_units() {
  for unit in $UNITS; do
    if systemctl is-active --quiet "$unit"; then
      echo "active $unit yes"
    else
      echo "active $unit no"
    fi
  done
}

# Prints the manifests of static pods.
tell_manifests() {
  for file in /etc/kubernetes/manifests/*.yaml; do
    [ ! -e "$file" ] || echo "manifest $(basename "$file" .yaml) $(encoded < "$file")"
  done
}

# Asks the API server of this node, by kubeadm's client certificate: of $port, with the options of curl.
ask_api_server() {
  pki=/etc/kubernetes/pki
  curl --silent --max-time 5 \
    --connect-to "::127.0.0.1:$port" \
    --cacert "$pki/ca.crt" \
    --cert "$pki/apiserver-kubelet-client.crt" \
    --key "$pki/apiserver-kubelet-client.key" \
    "$@"
}

# Prints whether the API server of this node is ready, and its version; nothing where there is none.
tell_api_server() {
  manifest=/etc/kubernetes/manifests/kube-apiserver.yaml
  [ -e "$manifest" ] || return 0
  port=$(sed -n 's/.*--secure-port=//p' "$manifest")
  port=${port:-6443}
  echo "api_ready $(ask_api_server --output /dev/null --write-out '%{http_code}' "https://kubernetes:$port/readyz")"
  version=$(ask_api_server "https://kubernetes:$port/version" | sed -n 's/.*"gitVersion": "\([^"]*\)".*/\1/p')
  echo "api_version $version"
}

# Prints the jobs of ours that are under way.
tell_jobs() {
  systemctl list-units --no-legend --plain --state=active,activating,deactivating 'kube-runbooks-*' |
    sed -n 's/^kube-runbooks-\([^ ]*\)\.service.*/job \1/p'
}
