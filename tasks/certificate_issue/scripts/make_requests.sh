#!/bin/sh
# Makes a private key for each certificate, where none waits from before, and a request by it. Keys stay here.
#
# Given:  LEAVES  names of the certificates
#         BITS    of an RSA key
#
# Prints:  `request NAME BASE64` for each
# Status:  0; another one where openssl makes no key

. tasks/certificate_issue/scripts/work.lib.sh

# NAME: the subject means nothing, whom a certificate is for is decided where it is signed.
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
