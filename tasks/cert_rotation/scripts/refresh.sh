#!/bin/sh
# Writes the new certificate and key into copies of kubeconfigs, and changes nothing else. In a file with several users it changes
# only the user with the previous certificate. The new file takes the old one's place, its owner and its mode in one move.
#
# Given:  COPIES  a line for each: the kubeconfig below kubeadm's folder, and the file that is a copy of it
# Prints:  `fresh FILE`, or `left FILE` and why; the file with %20 for a space
# Status:  not 0 if a file cannot be written

. tasks/core/lib.sh
. tasks/core/words.lib.sh
. tasks/cert_rotation/scripts/pairs.lib.sh

# Prints a kubeconfig with the certificate and the key of the new one.
with_new_user() { # USERS OLD NEW KUBECONFIG
  awk -v users="$1" '
    function is(what) { return $1 == what || ($1 == "-" && $2 == what) }
    function last(word) { word = $(NF); gsub(/["\047]/, "", word); return word }
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
  shown=$(as_word "$2")
  [ -e "$2" ] || {
    echo "left $shown it is not there"
    return
  }
  in_archive=$(in_copy "$1") || exit
  if [ -n "$in_archive" ]; then
    from_copy "$1" > "$work/before"
  else
    cp "$(at "$1")" "$work/before"
  fi
  if ! plain "$work/before" > "$work/old" || ! plain "$(at "$1")" > "$work/new" || ! plain "$2" > "$work/copy"; then
    echo "left $shown it could not be parsed: write it as kubeadm does, each key with its value on one line"
    return
  fi
  users=$(grep -c '^ *\(- \)\{0,1\}client-certificate-data:' "$work/copy" || true)
  file=$(readlink -f -- "$2")
  new=$(mktemp "$file.XXXXXX")
  with_new_user "$users" "$work/old" "$work/new" "$work/copy" > "$new"
  value client-certificate-data "$work/new" > "$work/wanted"
  if ! grep -qFf "$work/wanted" "$new"; then
    rm -f "$new"
    [ "$users" -gt 1 ] && why="it has several users, and none with the certificate of before" || why="no certificate is in it"
    echo "left $shown $why"
  elif cmp -s "$new" "$file"; then
    rm -f "$new"
    echo "fresh $shown"
  else
    like "$new" "$file"
    echo "fresh $shown"
  fi
}

set -eu
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while IFS= read -r line <&3; do
  [ -z "$line" ] || refresh "${line%% *}" "${line#* }"
done 3<< END
$COPIES
END
