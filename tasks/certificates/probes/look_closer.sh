#!/bin/sh
# All certificates of a node: on disk, inside kubeconfigs and on the wire. Changes nothing.
#
# Given:  PKI          kubeadm's folder with certificates
#         FILES        a line for each file with certificates that something names: the file, a tab, the file of its key
#         SIGNERS      a line for each key that tokens of service accounts are signed with or checked by: `private` or `public`, a
#                      space, the file
#         KEYS         a line for each key that has to be the one beside a certificate of kubeadm's: the file
#         KUBECONFIGS  a line for each: the file
#         PORTS        a line for each: program, port, and the places that it may be reached at
#
# Prints:  lines, by their first word: certificate, key, no_key, written, real, signer, kubeconfig, public_halves, unwritable, absent, unread, served, silent. What is
#          encoded is in base64; a path, or why, is one word with %20 for a space.
# Status:  0

. tasks/certificates/probes/look.lib.sh

set -u

# All in kubeadm's folder, links followed; and those that something names.
tell_files() {
  find -L "$PKI/" -maxdepth 3 -name '*.crt' -type f 2> /dev/null | sort | while IFS= read -r file; do
    certificate "$file" "${file%.crt}.key"
  done
  tab=$(printf '\t')
  printf '%s\n' "$FILES" | while IFS=$tab read -r file key; do
    [ -z "$file" ] || certificate "$file" "$key"
  done
}

tell_signers() {
  printf '%s\n' "$SIGNERS" | while IFS= read -r line; do
    which=${line%% *}
    file=${line#* }
    [ -n "$file" ] || continue
    if why=$(why_unread "$file"); then
      echo "absent $(as_word "$file") $(as_word "$why")"
      continue
    fi
    echo "written $(as_word "$file") $(about "$file")"
    if [ "$which" = public ]; then
      echo "signer $(as_word "$file") public $(openssl pkey -pubin -pubout -outform DER < "$file" 2> /dev/null | encoded)"
    else
      echo "signer $(as_word "$file") private $(public < "$file")"
    fi
  done
}

# Where each key is once all links are followed.
tell_keys() {
  printf '%s\n' "$KEYS" | while IFS= read -r file; do
    [ -z "$file" ] || echo "real $(as_word "$file") $(as_word "$(realpath -m -- "$file")")"
  done
}

tell_kubeconfigs() {
  printf '%s\n' "$KUBECONFIGS" | while IFS= read -r file; do
    [ -z "$file" ] || kubeconfig "$file"
  done
}

tell_served() {
  command -v openssl > /dev/null || return 0
  printf '%s\n' "$PORTS" | while read -r program port places; do
    # shellcheck disable=SC2086 # places are words
    [ -z "$program" ] || served "$program" "$port" $places
  done
}

tell_files
tell_keys
tell_signers
tell_kubeconfigs
tell_served
true
