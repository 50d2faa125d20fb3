#!/bin/sh
# Prints the kubeconfigs of this machine without their secrets. Changes nothing.
#
# Given:  FOLDER       kubeadm's folder
#         KUBECONFIGS  paths below FOLDER
#
# Prints:  `kubeconfig PATH TEXT` for each that is there, the text in base64
# Status:  not 0 if there is no such folder

. tasks/core/masked.lib.sh

set -eu
cd "$FOLDER"
for file in $KUBECONFIGS; do
  if [ -e "$file" ]; then
    text=$(masked "$file" | base64 -w0)
    echo "kubeconfig $file $text"
  fi
done
