#!/bin/sh
# Renews leaves by kubeadm, each once: one that differs from the copy and is whole was renewed before.
# New pairs are made in a folder of their own, and moved over the old ones when they are whole: etcd reads its files at each
# handshake, and a node that dies in between has either the old pair or the new one.
#
# Given:  LEAVES         a line for each: `pair NAME CERTIFICATE KEY CA PHASE`, or `kubeconfig NAME`. Files are below kubeadm's
#                        folder, the CA without .crt. PHASE is that of `kubeadm init`, for other names, or - to renew the pair.
#         STAGE          the folder for new pairs
#         CONFIGURATION  for kubeadm; @FOLDER@ and @VERSION@ are filled in
# Prints:  what kubeadm and openssl say, and what was renewed before
# Status:  another one than 0 where a leaf is not renewed

. tasks/core/lib.sh
. tasks/cert_rotation/scripts/pairs.lib.sh

# Ends the script with a reason.
fail() {
  echo "$1"
  exit 1
}

# Has kubeadm make the pair in the stage: renewed, or with the names of the configuration.
make_pair() { # NAME CERTIFICATE KEY CA PHASE
  mkdir -p "$STAGE/pki/etcd"
  cp -p "$FOLDER/$4.crt" "$FOLDER/$4.key" "$STAGE/$(dirname "$4")/"
  if [ "$5" = - ]; then
    cp -p "$FOLDER/$2" "$FOLDER/$3" "$STAGE/$(dirname "$2")/"
    kubeadm certs renew "$1" --config "$STAGE/kubeadm.yaml" 2>&1
  else
    kubeadm init phase certs "$5" --config "$STAGE/kubeadm.yaml" 2>&1
  fi
}

renew_pair() { # NAME CERTIFICATE KEY CA PHASE
  if differs "$2" && fits "$FOLDER/$2" "$FOLDER/$3"; then
    echo "renewed before: $1"
    return
  fi
  put_back "$2" "$3"
  make_pair "$@"
  fits "$STAGE/$2" "$STAGE/$3" || fail "$1: kubeadm has made no whole pair"
  openssl verify -CAfile "$FOLDER/$4.crt" "$STAGE/$2" || fail "$1: not signed by $4.crt"
  ! cmp -s "$STAGE/$2" "$FOLDER/$2" || fail "$1: kubeadm has not renewed it: is its authority external?"
  like "$STAGE/$3" "$FOLDER/$3"
  like "$STAGE/$2" "$FOLDER/$2"
}

# Whether a kubeconfig is another one than in the copy, and whole.
is_renewed() { # NAME
  differs "$1" && fits_inside "$FOLDER/$1"
}

renew_kubeconfig() { # NAME
  if is_renewed "$1"; then
    echo "renewed before: $1"
    return
  fi
  put_back "$1"
  mkdir -p "$STAGE/pki"
  cp -p "$FOLDER/pki/ca.crt" "$FOLDER/pki/ca.key" "$STAGE/pki/"
  kubeadm certs renew "$1" --config "$STAGE/kubeadm.yaml" 2>&1
  # kubeadm has it trust the first certificate of ca.crt alone; while the CA is rotated, there are two.
  believe "$FOLDER/$1" "$FOLDER/pki/ca.crt" "$STAGE/$1"
  like "$STAGE/$1" "$FOLDER/$1"
  is_renewed "$1" || fail "$1: kubeadm has not renewed it: is its authority external?"
}

set -eu
umask 077
rm -rf "$STAGE"
mkdir -p "$STAGE"
version=$(kubeadm version -o short)
sed "s|@FOLDER@|$STAGE/pki|; s|@VERSION@|$version|" "$CONFIGURATION" > "$STAGE/kubeadm.yaml"
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
