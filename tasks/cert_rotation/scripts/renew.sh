#!/bin/sh
# Renews leaves with kubeadm, each once. A leaf that differs from the copy and is complete was renewed before.
# New pairs are made in a separate folder, and replace the old ones when they are complete: etcd reads its files at each
# handshake, and a node that dies in between has either the old pair or the new one.
#
# Given:  LEAVES         a line for each: `pair NAME CERTIFICATE KEY CA PHASE`, or `kubeconfig NAME`. Files are named as in
#                        /etc/kubernetes, the CA without .crt. PHASE is that of `kubeadm init`, for other names, or - to renew the pair.
#         STAGE          the folder for new pairs
#         CONFIGURATION  for kubeadm
# Prints:  the output of kubeadm and openssl, and what was renewed before
# Status:  not 0 if a leaf is not renewed

. tasks/core/lib.sh
. tasks/cert_rotation/scripts/pairs.lib.sh

# Prints a reason and ends the script.
fail() {
  echo "$1"
  exit 1
}

# Makes the pair in the stage with kubeadm: renewed, or with the names of the configuration.
make_pair() { # NAME CERTIFICATE KEY CA PHASE
  mkdir -p "$STAGE/pki/etcd"
  cp -pL "$(at "$4.crt")" "$STAGE/$4.crt"
  cp -pL "$(at "$4.key")" "$STAGE/$4.key"
  if [ "$5" = - ]; then
    cp -pL "$(at "$2")" "$STAGE/$2"
    [ ! -e "$(at "$3")" ] || cp -pL "$(at "$3")" "$STAGE/$3"
    kubeadm certs renew "$1" --config "$CONFIGURATION" 2>&1
  else
    kubeadm init phase certs "$5" --config "$CONFIGURATION" 2>&1
  fi
}

renew_pair() { # NAME CERTIFICATE KEY CA PHASE
  if differs "$2" && fits "$(at "$2")" "$(at "$3")"; then
    echo "renewed before: $1"
    return
  fi
  put_back "$2" "$3"
  make_pair "$@"
  fits "$STAGE/$2" "$STAGE/$3" || fail "$1: kubeadm has made no whole pair"
  openssl verify -CAfile "$(at "$4.crt")" "$STAGE/$2" || fail "$1: not signed by $4.crt"
  ! cmp -s "$STAGE/$2" "$(at "$2")" || fail "$1: kubeadm has not renewed it: is its CA external?"
  [ -e "$(at "$3")" ] || : > "$(at "$3")" # its owner and its mode are those of a new file
  like "$STAGE/$3" "$(at "$3")"
  like "$STAGE/$2" "$(at "$2")"
}

# Checks whether a kubeconfig differs from the copy and is complete.
is_renewed() { # NAME
  differs "$1" && fits_inside "$(at "$1")"
}

renew_kubeconfig() { # NAME
  if is_renewed "$1"; then
    echo "renewed before: $1"
    return
  fi
  put_back "$1"
  mkdir -p "$STAGE/pki"
  cp -pL "$(at pki/ca.crt)" "$STAGE/pki/ca.crt"
  cp -pL "$(at pki/ca.key)" "$STAGE/pki/ca.key"
  kubeadm certs renew "$1" --config "$CONFIGURATION" 2>&1
  # kubeadm writes only the first certificate of ca.crt into it; during a CA rotation there are two.
  believe "$(at "$1")" "$(at pki/ca.crt)" "$STAGE/$1"
  like "$STAGE/$1" "$(at "$1")"
  is_renewed "$1" || fail "$1: kubeadm has not renewed it: is its CA external?"
}

set -eu
umask 077
rm -rf "$STAGE"
mkdir -p "$STAGE"
while read -r kind name certificate key ca phase <&3; do
  case "$kind" in
    pair) renew_pair "$name" "$certificate" "$key" "$ca" "$phase" ;;
    kubeconfig) renew_kubeconfig "$name" ;;
  esac
done 3<< END
$LEAVES
END
rm -rf "$STAGE"
sync
