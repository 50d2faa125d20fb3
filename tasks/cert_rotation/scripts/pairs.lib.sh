#!/bin/sh
# Functions for kubeadm's certificates and kubeconfigs, and their copies from before a rotation. Files are named as in /etc/kubernetes:
# `pki/apiserver.crt`, `manifests/etcd.yaml`, `admin.conf`.
#
# Given:  FOLDER     with kubeadm's kubeconfigs
#         PKI        kubeadm's folder with certificates
#         MANIFESTS  the folder of static pods
#         COPY       the archive of them

. tasks/core/plain.lib.sh

# Prints where a file is, with all links followed.
at() { # FILE
  case "$1" in
    pki/*) readlink -m -- "$PKI/${1#pki/}" ;;
    manifests/*) readlink -m -- "$MANIFESTS/${1#manifests/}" ;;
    *) readlink -m -- "$FOLDER/$1" ;;
  esac
}

# Checks whether both files exist and the key belongs to the certificate.
fits() { # CERTIFICATE_FILE KEY_FILE
  [ -s "$1" ] && [ -s "$2" ] || return 1
  in_certificate=$(openssl x509 -noout -pubkey -in "$1" 2> /dev/null) || return 1
  [ -n "$in_certificate" ] && [ "$in_certificate" = "$(openssl pkey -pubout -in "$2" 2> /dev/null)" ]
}

# Prints the first value of a field in a kubeconfig.
value() { # FIELD KUBECONFIG
  plain "$2" 2> /dev/null | sed -n "s/^ *\(- \)\{0,1\}$1: *//p" | head -n 1 | tr -d "\"'"
}

# Checks whether the key inside a kubeconfig belongs to the certificate inside.
fits_inside() { # KUBECONFIG
  [ -n "$(value client-key-data "$1")" ] || return 1
  in_certificate=$(value client-certificate-data "$1" | base64 -d 2> /dev/null | openssl x509 -noout -pubkey 2> /dev/null)
  of_key=$(value client-key-data "$1" | base64 -d 2> /dev/null | openssl pkey -pubout 2> /dev/null)
  [ -n "$in_certificate" ] && [ "$in_certificate" = "$of_key" ]
}

# Prints how a file is named in the copy: by its path, or below kubeadm's folder in a copy of an earlier version of these runbooks.
# Prints nothing for a file that did not exist; a status other than 0 if the copy cannot be read.
in_copy() { # FILE
  members=$(tar --quoting-style=literal -tf "$COPY") || return
  member=$(at "$1")
  for name in "${member#/}" "${FOLDER##*/}/$1"; do
    if printf '%s\n' "$members" | grep -qxF -e "$name"; then
      printf '%s\n' "$name"
      return
    fi
  done
}

# Prints a file from the copy; a status other than 0 if the copy does not have it.
from_copy() { # FILE
  of_before=$(in_copy "$1") || return
  [ -n "$of_before" ] || {
    echo "$1 is not in $COPY" >&2
    return 1
  }
  tar --no-unquote -xOf "$COPY" -- "$of_before"
}

# Checks whether a file differs from the copy. Ends the script if the copy cannot be read.
differs() { # FILE
  name_in_copy=$(in_copy "$1") || exit
  [ -n "$name_in_copy" ] || return 0
  ! tar --no-unquote -xOf "$COPY" -- "$name_in_copy" | cmp -s - "$(at "$1")"
}

# Restores files from the copy, with owner and mode. Files that are the same stay, and a file that the copy does not have is removed.
put_back() { # FILE...
  for file in "$@"; do
    of_copy=$(in_copy "$file") || return
    if [ -z "$of_copy" ]; then
      rm -f -- "$(at "$file")"
    elif differs "$file"; then
      put_one_back "$file" "$of_copy"
    fi
  done
}

put_one_back() { # FILE NAME_IN_COPY
  case "$2" in
    "${FOLDER##*/}/$1") tar -C "${FOLDER%/*}/" --no-unquote -xpf "$COPY" -- "$2" ;;
    *) tar -C / --no-unquote -xpf "$COPY" -- "$2" ;;
  esac
}
