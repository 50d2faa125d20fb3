#!/bin/sh
# Prints the texts that say where this node has its CAs: its manifests and its kubelet's configuration. Changes nothing.
#
# Given:  MANIFESTS  the kubelet's folder of static pods
#         PARKED     the folder where manifests are that are hidden from the kubelet
#         PODS       static pods of a control plane node
#         KUBELET    kubelet's configuration
#
# Prints:  `manifest POD PATH TEXT`, `kubelet TEXT`; the last words of each in base64. A missing file is not printed
# Status:  not 0 if a file is there and cannot be read

set -eu

# FILE
encoded() {
  base64 -w0 < "$1"
}

tell_manifest() {
  for file in "$MANIFESTS/$1.yaml" "$PARKED/$1.yaml"; do
    if [ -e "$file" ]; then
      text=$(encoded "$file")
      echo "manifest $1 $(printf '%s' "$file" | base64 -w0) $text"
      return
    fi
  done
}

for pod in $PODS; do
  tell_manifest "$pod"
done
if [ -e "$KUBELET" ]; then
  text=$(encoded "$KUBELET")
  echo "kubelet $text"
fi
