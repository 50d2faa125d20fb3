#!/bin/sh
# Prints the kubeconfigs of this node without their secrets, and the certificates of a rotation. Changes nothing. Each character of
# a secret becomes an `x`, so positions in these texts are those in the files.
#
# Given:  KUBECONFIGS  paths, one a line
#         HALVES       the folder with the old and the new half
#
# Prints:  `kubeconfig PATH SUM TEXT`, `half NAME TEXT`, texts and paths in base64; a missing file is not printed
# Status:  not 0 if a file is there and cannot be read

. tasks/core/masked.lib.sh

set -eu

encoded() {
  printf '%s' "$1" | base64 -w0
}

printf '%s\n' "$KUBECONFIGS" | while IFS= read -r file; do
  if [ -n "$file" ] && [ -e "$file" ]; then
    sum=$(sha256sum < "$file")
    text=$(masked "$file" | base64 -w0)
    echo "kubeconfig $(encoded "$file") ${sum%% *} $text"
  fi
done
for half in old new; do
  if [ -e "$HALVES/$half.pem" ]; then
    text=$(base64 -w0 < "$HALVES/$half.pem")
    echo "half $half $text"
  fi
done
