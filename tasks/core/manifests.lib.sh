#!/bin/sh
# Functions for the files in which a kubelet finds static pods.
#
# Given:  MANIFESTS  the folder
#         PODS       names of the control plane's static pods

. tasks/core/words.lib.sh

# Prints `other NAME TEXT`, the text in base64, of each file that is not one of `POD.yaml`: a kubelet reads all files that are not hidden,
# whatever their names end with.
tell_others() {
  for file in "$MANIFESTS"/*; do
    name=${file##*/}
    case " $PODS " in
      *" ${name%.yaml} "*) [ "$name" = "${name%.yaml}" ] || continue ;;
    esac
    [ ! -f "$file" ] || echo "other $(as_word "$name") $(base64 -w0 < "$file")"
  done
}
