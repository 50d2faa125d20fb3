#!/bin/sh
# Upgrades this node with kubeadm, and records that kubeadm finished. Manifests alone do not show that: more phases follow them.
#
# Given:  VERSION   of Kubernetes (1.37.2)
#         UPGRADED  the file that records that kubeadm finished
#         APPLY     yes: also update kubeadm-config
#         PATCHES   the folder of patches; empty for none
#         IGNORED   preflight errors to ignore, separated by commas; or empty
#
# Prints:  kubeadm's output
# Status:  kubeadm's; 1 if kubeadm has another version

set -eu
said=$(kubeadm version -o short) || true
if [ "$said" != "v$VERSION" ]; then
  echo "the installed kubeadm is ${said:-not there}, not v$VERSION"
  exit 1
fi
set -- upgrade node
[ -z "$APPLY" ] || set -- upgrade apply "v$VERSION" --yes
[ -z "$PATCHES" ] || set -- "$@" --patches "$PATCHES"
[ -z "$IGNORED" ] || set -- "$@" "--ignore-preflight-errors=$IGNORED"
kubeadm "$@" 2>&1
mkdir -p "${UPGRADED%/*}"
touch "$UPGRADED"
