#!/bin/sh
# Verifies certificates with openssl: the CA has signed them, and they are valid for their purpose. Changes nothing. Standard input:
#   PATH CA PURPOSE FILE      the certificate is in a file
#   PATH CA PURPOSE - BASE64  it is here, since it is in a kubeconfig
#
# Given:  FOLDER  kubeadm's folder; paths are below it
#
# Prints:  only what is wrong
# Status:  0; not 0 if there is no such folder

set -u

# FILE BASE64
pem() {
  if [ "$1" = - ]; then
    printf '%s' "$2" | base64 -d
  else
    cat -- "$1"
  fi
}

# PATH CA PURPOSE FILE BASE64
judge() {
  if ! said=$({ pem "$4" "$5" | openssl verify -CAfile "$2" -purpose "$3"; } 2>&1); then
    echo "$1 ($3): $said" | tr '\n' ' '
  fi
}

cd "$FOLDER" || exit
while read -r path ca purpose file text; do
  judge "$path" "$ca" "$purpose" "$file" "$text"
done
