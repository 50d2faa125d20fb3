#!/bin/sh
# The manifests of a control plane's static pods, and the version of kubeadm. Changes nothing.
#
# Given:  MANIFESTS   the folder of manifests
#         COMPONENTS  names of static pods
#
# Prints:  `kubeadm VERSION` and `manifest NAME TEXT`, in base64
# Status:  0

set -u
echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
for pod in $COMPONENTS; do
  [ ! -e "$MANIFESTS/$pod.yaml" ] || echo "manifest $pod $(base64 -w0 < "$MANIFESTS/$pod.yaml")"
done
