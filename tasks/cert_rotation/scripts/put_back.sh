#!/bin/sh
# Restores the files and manifests of the copy, and marks when: what has read the new ones since then is started again.
#
# Given:  FILES     below kubeadm's folder
#         PODS      static pods whose manifests are restored too
#         PARKED    the folder for manifests that the kubelet must not see
#         STAGE     the folder for new pairs
#         PUT_BACK  the mark; its time is when the files were first restored
# Prints:  nothing
# Status:  not 0 if a file cannot be written

. tasks/cert_rotation/scripts/pairs.lib.sh

# Gives the kubelet the manifest of the copy, unless it has it.
put_manifest_back() { # POD
  # shellcheck disable=SC2153 # it is given
  parked=$PARKED/$1.yaml
  [ -e "$parked" ] || differs "manifests/$1.yaml" || return 0
  # shellcheck disable=SC2174 # its parent is there
  mkdir -p -m 700 "$PARKED"
  from_copy "manifests/$1.yaml" > "$parked.new"
  mv -f "$parked.new" "$MANIFESTS/$1.yaml"
  rm -f "$parked"
}

set -eu
umask 077
# shellcheck disable=SC2086 # words
put_back $FILES
for pod in $PODS; do
  put_manifest_back "$pod"
done
rm -rf "$STAGE"
[ -e "$PUT_BACK" ] || touch "$PUT_BACK"
sync
