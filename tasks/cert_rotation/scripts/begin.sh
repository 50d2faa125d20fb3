#!/bin/sh
# Begins or resumes a rotation on a node: copies kubeadm's folders once, and then writes the record.
# The copy leaves out the folder of kubeadm's own copies, some of which hold etcd's data.
# Standard input is the configuration for kubeadm.
#
# Given:  WORK           the folder of rotations
#         FILES          files that will be renewed, named as in /etc/kubernetes
#         KUBEADMS_OWN   the name of the folder with its own copies
#         JOB            the folder of the job that renews
#         CONFIGURATION  the file for standard input
#         PUT_BACK       the mark that the previous files are back
# Prints:  nothing
# Status:  not 0 if a file cannot be written

. tasks/cert_rotation/scripts/record.lib.sh
. tasks/cert_rotation/scripts/pairs.lib.sh

# Checks whether a path is one of these folders, or below one.
is_below() { # PATH FOLDER...
  below=$1
  shift
  for above in "$@"; do
    case "$below/" in
      "$above"/*) return 0 ;;
    esac
  done
  return 1
}

# Copies kubeadm's folders, and files that are elsewhere: certificates may be anywhere, and folders may have any name.
copy_to() { # ARCHIVE
  archive=$1
  set --
  for tree in "$FOLDER" "$PKI" "$MANIFESTS"; do
    tree=$(readlink -m -- "$tree")
    if [ -e "$tree" ] && ! is_below "$tree" "$@"; then
      set -- "$@" "$tree"
    fi
  done
  for file in $FILES; do # leaves of kubeadm: words
    tree=$(at "$file")
    if [ -e "$tree" ] && ! is_below "$tree" "$@"; then
      set -- "$@" "$tree"
    fi
  done
  for tree in "$@"; do
    shift
    set -- "$@" "${tree#/}"
  done
  own=$(readlink -m -- "$FOLDER/$KUBEADMS_OWN")
  tar -C / --anchored --no-wildcards --exclude="${own#/}" --no-unquote -cpf "$archive" -- "$@"
}

set -eu
umask 077
mkdir -p "$WORK"
chmod 700 "$WORK"
if [ ! -e "$RECORD" ]; then # what this very run has left without a record is of an earlier time
  rm -rf "$PUT_BACK" "$JOB"
  [ ! -e "$COPY" ] || mv -f "$COPY" "${COPY%.tar}.earlier.tar"
fi
if [ ! -e "$COPY" ]; then
  copy_to "$COPY.new"
  sync "$COPY.new"
  mv "$COPY.new" "$COPY"
fi
cat > "$CONFIGURATION"
write_record
