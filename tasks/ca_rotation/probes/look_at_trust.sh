#!/bin/sh
# What this node trusts and signs with of one CA, and what a rotation of it has laid down. Prints no key, and changes nothing.
#
# Given:  FOLDER        kubeadm's
#         TRUST         the file with what is trusted, below FOLDER
#         KEY           the file of the key that signs, below FOLDER
#         SIGNING_FILE  that the controller manager signs with while there are two, below FOLDER
#         HALVES        where a rotation lays down the old and the new one
#         FLAGS         names of flags, without dashes
#         PODS          static pods of a control plane node
#         PARKED        where manifests are that are away from kubelet
#
# Prints:  `trusted TIME FILE`, `signs TIME PUBLIC_KEY`, `signing FILE`, `half NAME CERTIFICATE PUBLIC_KEY`, `flag POD NAME VALUE`;
#          times in seconds since 1970, the rest by base64
# Status:  0; what is not there is not told

set -u

encoded() {
  base64 -w0
}

# Standard input: a private key. Its public half.
public() {
  openssl pkey -pubout -outform DER 2> /dev/null | encoded
}

tell_files() {
  [ ! -e "$TRUST" ] || echo "trusted $(stat -L -c %Y "$TRUST") $(encoded < "$TRUST")"
  [ ! -e "$KEY" ] || echo "signs $(stat -L -c %Y "$KEY") $(public < "$KEY")"
  [ ! -f "$SIGNING_FILE" ] || echo "signing $(encoded < "$SIGNING_FILE")"
}

tell_halves() {
  for half in old new; do
    file=$HALVES/$half
    if [ -e "$file.pem" ]; then
      echo "half $half $(encoded < "$file.pem") $(public 2> /dev/null < "$file.key")"
    fi
  done
}

# Of each static pod's manifest, wherever it is.
tell_flags() {
  names=$(echo "$FLAGS" | sed 's/ /\\|/g')
  for pod in $PODS; do
    for file in "manifests/$pod.yaml" "$PARKED/$pod.yaml"; do
      if [ -e "$file" ]; then
        sed -n "s/^ *- --\($names\)=/flag $pod --\1 /p" "$file"
        break
      fi
    done
  done
}

cd "$FOLDER" || exit 0
tell_files
tell_halves
tell_flags
