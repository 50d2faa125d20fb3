#!/bin/sh
# Puts files and certificates in place, each in one move. Standard input has a line for each:
#   file MODE PATH BASE64         a whole file
#   certificate NAME PATH BASE64  whose key waits here
#   kubeconfig NAME PATH BASE64   without its key, which waits here and is appended
# A different existing file is copied first, unless this run has copied an older one already.
#
# Given:  KEPT     the folder of these copies
#         PUBLIC   mode of a certificate
#         PRIVATE  mode of a key, or of a file with one
#
# Prints:  `written PATH` for each file that was different, and `kept FOLDER` if there is a copy
# Status:  0; not 0 if a file cannot be written

. tasks/certificate_issue/scripts/work.lib.sh

# PATH
keep() {
  if [ ! -e "$1" ] || [ -e "$KEPT/$1" ]; then
    return
  fi
  mkdir -p "$KEPT/$(dirname "$1")"
  cp -p "$1" "$KEPT/$1.new"
  sync "$KEPT/$1.new"
  mv "$KEPT/$1.new" "$KEPT/$1"
}

# NEW PATH MODE
place() {
  if cmp -s "$1" "$2"; then
    rm -f "$1"
    return
  fi
  keep "$2"
  # shellcheck disable=SC2174 # the folders above it are kubeadm's
  [ -d "$(dirname "$2")" ] || mkdir -p -m 755 "$(dirname "$2")"
  chmod "$3" "$1"
  sync "$1"
  mv -fT "$1" "$2"
  echo "written $2"
}

decoded() {
  printf '%s' "$1" | base64 -d
}

# MODE PATH BASE64
place_file() {
  decoded "$3" > "$WORK/file.new"
  place "$WORK/file.new" "$2" "$1"
}

# NAME PATH BASE64: the key comes first. A certificate that waits here was never put in place.
place_certificate() {
  decoded "$3" > "$WORK/$1.new"
  sync "$WORK/$1.new"
  mv "$WORK/$1.new" "$WORK/$1.crt"
  [ ! -e "$WORK/$1.key" ] || place "$WORK/$1.key" "${2%.crt}.key" "$PRIVATE"
  place "$WORK/$1.crt" "$2" "$PUBLIC"
}

# NAME PATH BASE64
place_kubeconfig() {
  {
    decoded "$3"
    base64 -w0 < "$WORK/$1.key"
    echo
  } > "$WORK/$1.new"
  place "$WORK/$1.new" "$2" "$PRIVATE"
  rm -f "$WORK/$1.key"
}

begin
while read -r kind name path text; do
  case $kind in
    file) place_file "$name" "$path" "$text" ;;
    certificate) place_certificate "$name" "$path" "$text" ;;
    kubeconfig) place_kubeconfig "$name" "$path" "$text" ;;
  esac
done
rmdir "$WORK" 2> /dev/null || true
[ ! -d "$KEPT" ] || echo "kept $KEPT"
