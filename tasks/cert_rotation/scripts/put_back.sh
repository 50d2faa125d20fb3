#!/bin/sh
# Puts the files and manifests of the copy back, and marks when: what has read the new ones since then is started again.
#
# Given:  FILES     below kubeadm's folder
#         PODS      static pods whose manifests are put back, too
#         PARKED    the folder for manifests that kubelet must not see
#         STAGE     the folder for new pairs
#         PUT_BACK  the mark; its time is when the files were back for the first time
# Prints:  nothing
# Status:  another one than 0 where a file cannot be written

. tasks/cert_rotation/scripts/pairs.lib.sh

# Gives kubelet the manifest of the copy, unless it has it.
put_manifest_back() { # POD
  # shellcheck disable=SC2153 # it is given
  parked="$PARKED/$1.yaml"
  [ -e "$parked" ] || differs "manifests/$1.yaml" || return 0
  # shellcheck disable=SC2174 # its parent is there
  mkdir -p -m 700 "$PARKED"
  from_copy "manifests/$1.yaml" > "$parked.new"
  mv -f "$parked.new" "$FOLDER/manifests/$1.yaml"
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
