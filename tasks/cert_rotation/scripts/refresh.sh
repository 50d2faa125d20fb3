#!/bin/sh
# Gives copies of kubeconfigs the new certificate and key, and nothing else. In a file with several users only the one with the
# previous certificate is meant. The new file takes the old one's place, its owner and its mode in one move.
#
# Given:  COPIES  a line for each: the kubeconfig below kubeadm's folder, and the file that is a copy of it
# Prints:  `fresh FILE`, or `left FILE` and why
# Status:  another one than 0 where a file cannot be written

. tasks/core/lib.sh
. tasks/cert_rotation/scripts/pairs.lib.sh

# Prints a kubeconfig with the certificate and the key of the new one.
with_new_user() { # USERS OLD NEW KUBECONFIG
  awk -v users="$1" '
    function is(what) { return $1 == what || ($1 == "-" && $2 == what) }
    function last() { return $(NF) }
    function field() { return substr($0, 1, index($0, ":")) }
    FNR == 1 { file++ }
    file == 1 && is("client-certificate-data:") { old_certificate = last() }
    file == 1 && is("client-key-data:") { old_key = last() }
    file == 2 && is("client-certificate-data:") { certificate = last() }
    file == 2 && is("client-key-data:") { key = last() }
    file < 3 { next }
    is("client-certificate-data:") && (users == 1 || last() == old_certificate) { print field() " " certificate; next }
    is("client-key-data:") && (users == 1 || last() == old_key) { print field() " " key; next }
    { print }
  ' "$2" "$3" "$4"
}

refresh() { # SOURCE FILE
  [ -e "$2" ] || {
    echo "left $2 it is not there"
    return
  }
  from_copy "$1" > "$work/old" 2> /dev/null || cp "$FOLDER/$1" "$work/old"
  users=$(grep -c '^ *\(- \)\{0,1\}client-certificate-data:' "$2" || true)
  new=$(mktemp "$2.XXXXXX")
  with_new_user "$users" "$work/old" "$FOLDER/$1" "$2" > "$new"
  value client-certificate-data "$FOLDER/$1" > "$work/wanted"
  if ! grep -qFf "$work/wanted" "$new"; then
    rm -f "$new"
    echo "left $2 it has several users, and none with the certificate of before"
  elif cmp -s "$new" "$2"; then
    rm -f "$new"
    echo "fresh $2"
  else
    like "$new" "$2"
    echo "fresh $2"
  fi
}

set -eu
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r source file <&3; do
  refresh "$source" "$file"
done 3<< END
$COPIES
END
