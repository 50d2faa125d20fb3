#!/bin/sh
# kubeadm's certificates and kubeconfigs, and their copies from before a rotation.
#
# Given:  FOLDER  kubeadm's
#         COPY    the archive of it

# Whether both files are there, and the key is the certificate's own.
fits() { # CERTIFICATE_FILE KEY_FILE
  [ -s "$1" ] && [ -s "$2" ] || return 1
  [ "$(openssl x509 -noout -pubkey -in "$1" 2> /dev/null)" = "$(openssl pkey -pubout -in "$2" 2> /dev/null)" ]
}

# Prints the first value of a field in a kubeconfig.
value() { # FIELD KUBECONFIG
  sed -n "s/^ *\(- \)\{0,1\}$1: *//p" "$2" | head -n 1 | tr -d '"'
}

# Whether the key inside a kubeconfig is that of the certificate inside.
fits_inside() { # KUBECONFIG
  [ -n "$(value client-key-data "$1")" ] || return 1
  in_certificate=$(value client-certificate-data "$1" | base64 -d 2> /dev/null | openssl x509 -noout -pubkey 2> /dev/null)
  of_key=$(value client-key-data "$1" | base64 -d 2> /dev/null | openssl pkey -pubout 2> /dev/null)
  [ "$in_certificate" = "$of_key" ]
}

# Prints a file as it is in the copy.
from_copy() { # FILE below kubeadm's folder
  tar -xOf "$COPY" "${FOLDER##*/}/$1"
}

# Whether a file is another one than in the copy.
differs() { # FILE below kubeadm's folder
  ! from_copy "$1" 2> /dev/null | cmp -s - "$FOLDER/$1"
}

# Puts files of the copy back, with owner and mode; those that are the same already stay.
put_back() { # FILE... below kubeadm's folder
  for file in "$@"; do
    ! differs "$file" || tar -C "${FOLDER%/*}/" -xpf "$COPY" "${FOLDER##*/}/$file"
  done
}
