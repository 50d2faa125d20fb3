#!/bin/sh
# Makes a private key for each certificate, unless one waits from before, and a request for it. Keys stay on this machine.
#
# Given:  LEAVES  names of the certificates
#         BITS    the size of an RSA key
#
# Prints:  `request NAME BASE64` for each
# Status:  0; not 0 if openssl makes no key

. tasks/certificate_issue/scripts/work.lib.sh

# NAME: the subject has no meaning; the signer decides whom the certificate is for.
ask() {
  key=$WORK/$1.key
  if [ ! -s "$key" ]; then
    openssl genrsa -out "$key.new" "$BITS" 2> /dev/null
    sync "$key.new"
    mv "$key.new" "$key"
  fi
  echo "request $1 $(openssl req -new -key "$key" -subj "/CN=$1" | base64 -w0)"
}

begin
for name in $LEAVES; do
  ask "$name"
done
