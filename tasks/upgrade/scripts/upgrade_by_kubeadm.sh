#!/bin/sh
# Has kubeadm upgrade this node, and notes that it came to its end: manifests alone do not say so, there are phases after them.
#
# Given:  VERSION   of Kubernetes (1.37.2)
#         UPGRADED  the file whose being there says that kubeadm came to its end
#         APPLY     yes: this node moves kubeadm-config, too
#         IGNORED   preflight errors that are ignored, with commas between; or none
#
# Prints:  what kubeadm says
# Status:  kubeadm's; 1 where it is another version

set -eu
said=$(kubeadm version -o short) || true
if [ "$said" != "v$VERSION" ]; then
  echo "kubeadm is $said"
  exit 1
fi
set -- upgrade node
[ -z "$APPLY" ] || set -- upgrade apply "v$VERSION" --yes
[ -z "$IGNORED" ] || set -- "$@" "--ignore-preflight-errors=$IGNORED"
kubeadm "$@" 2>&1
mkdir -p "${UPGRADED%/*}"
touch "$UPGRADED"
