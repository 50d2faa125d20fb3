#!/bin/sh
# Sets up the folder where a machine works on its certificates.
#
# Given:  FOLDER  kubeadm's
#         WORK    below FOLDER, where a new key waits for its certificate

# Until the script ends, paths are below kubeadm's folder.
begin() {
  set -eu
  umask 077
  # shellcheck disable=SC2174 # the folders above it are the system's
  mkdir -p -m 755 "$FOLDER" "$FOLDER/pki"
  cd "$FOLDER"
  mkdir -p "$WORK"
}
