#!/bin/sh
# Has openssl judge certificates: each signed by its CA, and good for what it is for. Changes nothing.
#
# Given:  FOLDER   kubeadm's
#         JUDGED   a line each: `PATH CA PURPOSE`, paths below FOLDER, the purpose as openssl calls it
#
# Prints:  what is wrong, and nothing else
# Status:  0; another one where there is no such folder

set -u

# PATH: a kubelet that has joined names a file in its kubeconfig.
pem() {
  case "$1" in
    *.conf) pem_of_kubeconfig "$1" ;;
    *) cat "$1" ;;
  esac
}

pem_of_kubeconfig() {
  named=$(sed -n 's/^ *client-certificate: //p' "$1")
  if [ -n "$named" ]; then
    cat "$named"
  else
    sed -n 's/^ *client-certificate-data: //p' "$1" | base64 -d
  fi
}

# PATH CA PURPOSE
judge() {
  if ! said=$(pem "$1" | openssl verify -CAfile "$2" -purpose "$3" 2>&1); then
    echo "$1 ($3): $said" | tr '\n' ' '
  fi
}

cd "$FOLDER" || exit
echo "$JUDGED" | while read -r path ca purpose; do
  [ -z "$path" ] || judge "$path" "$ca" "$purpose"
done
