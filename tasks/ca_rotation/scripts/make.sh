#!/bin/sh
# Makes the files of a state of the halves, whatever this node has now. Each is put in its place in one move.
#
# Given:  FOLDER        kubeadm's
#         HALVES        where the old and the new one are laid down
#         TRUST         the file with what is trusted, below FOLDER
#         TRUSTED       halves that are to be in it, in their order
#         SIGNS         the half that is to sign; empty on a node that signs nothing
#         KEY           the file of its key, below FOLDER
#         SIGNING_FILE  to have the certificate of SIGNS alone, below FOLDER; empty: it is not made
#         SIGNING_FLAG  by which the controller manager is told what to sign with
#         SIGN_WITH     the file that it is to sign with, below FOLDER; empty: its manifest stays
#         KUBECONFIGS   that are to trust the same, a line each
#         CONTROLLERS   the controller manager's static pod
#         PARKED        where manifests are that are away from kubelet
#
# Prints:  `changed FILE` for each that was another one
# Status:  0; another one where a half is not there, or a file cannot be written

. tasks/core/lib.sh

set -eu
umask 077

# FILE HALF...: made of the halves' files, with the owner and the mode that it has.
put() {
  file=$1
  shift
  cat "$@" > "$HALVES/made"
  if cmp -s "$HALVES/made" "$file"; then
    rm -f "$HALVES/made"
    return
  fi
  cp "$HALVES/made" "$file.kube-runbooks"
  rm -f "$HALVES/made"
  sync "$file.kube-runbooks"
  like "$file.kube-runbooks" "$file"
  echo "changed $file"
}

put_trusted() {
  set --
  for half in $TRUSTED; do
    set -- "$@" "$HALVES/$half.pem"
  done
  put "$TRUST" "$@"
}

# While there are two, the controller manager signs with a file of one: it would not start with two.
put_signing_file() {
  [ -e "$SIGNING_FILE" ] || cp -p "$TRUST" "$SIGNING_FILE"
  put "$SIGNING_FILE" "$HALVES/$SIGNS.pem"
}

# FILE: kubelet restarts the controller manager when its manifest is another one.
sign_with() {
  manifest=manifests/$CONTROLLERS.yaml
  [ -e "$manifest" ] || manifest=$PARKED/$CONTROLLERS.yaml # a run died while it was away
  # shellcheck disable=SC2174 # the folders above it are kubeadm's
  mkdir -p -m 700 "$PARKED"
  sed "s|--${SIGNING_FLAG}=.*|--${SIGNING_FLAG}=$1|" "$manifest" > "$PARKED/made"
  if cmp -s "$PARKED/made" "$manifest"; then
    rm -f "$PARKED/made"
    return
  fi
  sync "$PARKED/made"
  like "$PARKED/made" "$manifest"
  echo "changed $manifest"
}

# KUBECONFIG
trust_in() {
  [ -e "$1" ] || return 0
  believe "$1" "$TRUST" "$1.kube-runbooks"
  if cmp -s "$1.kube-runbooks" "$1"; then
    rm -f "$1.kube-runbooks"
    return
  fi
  sync "$1.kube-runbooks"
  like "$1.kube-runbooks" "$1"
  echo "changed $1"
}

cd "$FOLDER"
put_trusted
[ -z "$SIGNS" ] || put "$KEY" "$HALVES/$SIGNS.key"
[ -z "$SIGNING_FILE" ] || put_signing_file
[ -z "$SIGN_WITH" ] || sign_with "$FOLDER/$SIGN_WITH"
while read -r path; do
  [ -z "$path" ] || trust_in "$path"
done << PATHS
$KUBECONFIGS
PATHS
sync
