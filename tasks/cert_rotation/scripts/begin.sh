#!/bin/sh
# Begins a rotation on a node, or begins it again: copies kubeadm's folder once, and then writes the record.
# The copy is without the folder in which kubeadm itself keeps copies, of etcd's data among them.
# Standard input is the configuration for kubeadm.
#
# Given:  WORK           the folder of rotations
#         FOLDER         kubeadm's
#         KUBEADMS_OWN   the name of the folder with its own copies
#         COPY           the archive that is made
#         JOB            the folder of the job that renews
#         CONFIGURATION  the file for standard input
#         PUT_BACK       the mark that the previous files are back
# Prints:  nothing
# Status:  another one than 0 where a file cannot be written

. tasks/cert_rotation/scripts/record.lib.sh

set -eu
umask 077
mkdir -p "$WORK"
chmod 700 "$WORK"
if [ ! -e "$RECORD" ]; then # what this very run has left without a record is of an earlier time
  rm -rf "$PUT_BACK" "$JOB"
  [ ! -e "$COPY" ] || mv -f "$COPY" "${COPY%.tar}.earlier.tar"
fi
if [ ! -e "$COPY" ]; then
  name=${FOLDER##*/}
  tar -C "${FOLDER%/*}/" --exclude="$name/$KUBEADMS_OWN" -cpf "$COPY.new" "$name"
  sync "$COPY.new"
  mv "$COPY.new" "$COPY"
fi
cat > "$CONFIGURATION"
write_record
