#!/bin/sh
# Prints what this node trusts and signs with for one CA, and the halves of its rotation. Prints no key, and changes nothing.
#
# Given:  TRUST    the file with the trusted CAs; empty if there is none
#         KEY      the file of the signing key; empty if there is none
#         SIGNING  the file that the controller manager signs with while there are two; empty if there is none
#         HALVES   the folder with the old and the new half
#
# Prints:  `trusted TIME FILE`, `signs TIME PUBLIC_KEY`, `signing FILE`, `half NAME CERTIFICATE PUBLIC_KEY`; times in seconds since
#          1970, the rest in base64; `-` for what is empty or cannot be read as a key
# Status:  not 0 if a file is there and cannot be read; a missing file is not printed

set -eu

# FILE
encoded() {
  text=$(base64 -w0 < "$1")
  echo "${text:--}"
}

# FILE with a private key: prints its public half.
public() {
  text=$(openssl pkey -in "$1" -pubout -outform DER 2> /dev/null < /dev/null | base64 -w0)
  echo "${text:--}"
}

tell_files() {
  if [ -e "$TRUST" ]; then
    text=$(encoded "$TRUST")
    echo "trusted $(stat -L -c %Y "$TRUST") $text"
  fi
  if [ -e "$KEY" ]; then
    text=$(public "$KEY")
    echo "signs $(stat -L -c %Y "$KEY") $text"
  fi
  if [ -e "$SIGNING" ]; then
    text=$(encoded "$SIGNING")
    echo "signing $text"
  fi
}

tell_halves() {
  for half in old new; do
    file=$HALVES/$half
    if [ -e "$file.pem" ]; then
      key=
      [ ! -e "$file.key" ] || key=$(public "$file.key")
      text=$(encoded "$file.pem")
      echo "half $half $text $key"
    fi
  done
}

tell_files
tell_halves
