#!/bin/sh
# What a node says of one file, one kubeconfig, one program or one port. Keys are told by their public halves alone.
#
# Given:  HANDSHAKE_SECONDS  for a port to present its certificate

. tasks/core/masked.lib.sh
. tasks/core/plain.lib.sh
. tasks/core/words.lib.sh

encoded() {
  base64 -w0
}

only_certificates() {
  sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p'
}

# Standard input: a private key. Its public half.
public() {
  openssl pkey -pubout -outform DER 2> /dev/null | encoded
}

# FILE: why it cannot be read; a status other than 0 if it can.
why_unread() {
  if [ -L "$1" ] && [ ! -e "$1" ]; then
    echo "it is a link to $(readlink "$1"), which is not there"
  elif [ ! -e "$1" ]; then
    echo "it is not there"
  elif [ ! -f "$1" ]; then
    echo "it is no file"
  elif ! head -c 1 "$1" > /dev/null 2>&1; then
    echo "it cannot be read"
  else
    return 1
  fi
}

# FILE: what it is once all links are followed, when it was written, its mode and its owner.
about() {
  echo "$(as_word "$(readlink -f -- "$1")") $(stat -L -c '%Y %a %u:%g' -- "$1")"
}

# FILE KEY: with its key, in a file of its own or inside; or why that cannot be read.
certificate() {
  if why=$(why_unread "$1"); then
    echo "absent $(as_word "$1") $(as_word "$why")"
    return 0
  fi
  echo "certificate $(as_word "$1") $(about "$1") $(only_certificates < "$1" | encoded)"
  if why=$(why_unread "$2"); then
    echo "no_key $(as_word "$1") $(as_word "$2") $(as_word "$why")"
  elif [ "$1" = "$2" ] && ! grep -qs 'PRIVATE KEY-----' "$1"; then
    echo "no_key $(as_word "$1") $(as_word "$2") $(as_word "no key is in it")"
  else
    echo "key $(as_word "$1") $(public < "$2")"
  fi
}

# FILE: without its keys.
kubeconfig() {
  if why=$(why_unread "$1"); then
    echo "absent $(as_word "$1") $(as_word "$why")"
    return 0
  fi
  echo "kubeconfig $(as_word "$1") $(about "$1") $(masked "$1" | encoded)"
  echo "public_halves $(as_word "$1") $(public_halves "$1")"
  why=$(plain "$1" 2>&1 > /dev/null) || echo "unwritable $(as_word "$1") $(as_word "${why:-it is not understood}")"
}

# NAME: since when it runs, and its container. ps knows whole seconds, and files are written in the second of a restart.
process() {
  pids=$(pids_of "$1" 2>&1) || {
    echo "unseen_process $1 $(as_word "$pids")"
    return 0
  }
  pid=$(echo "$pids" | head -n 1)
  [ -n "$pid" ] || return 0
  container=$(container_of "$pid")
  uptime=$(cut -d ' ' -f 1 /proc/uptime)
  started=$(echo "$uptime $(sed 's/.*) //' "/proc/$pid/stat") $(date +%s.%N)" \
    | awk -v hz="$(getconf CLK_TCK)" 'NF > 21 { printf "%.2f", $(NF) - $1 + $21 / hz }')
  echo "process $1 $started $container"
}

# NAME PORT PLACE...: what the port presents, at the first of these places (`127.0.0.1:6443`, `[::1]:6443`) that answers.
served() {
  name=$1
  port=$2
  shift 2
  silent=
  for place in "$@"; do
    status=0
    said=$(timeout "$HANDSHAKE_SECONDS" openssl s_client -connect "$place" < /dev/null 2>&1) || status=$?
    found=$(printf '%s\n' "$said" | only_certificates | encoded)
    if [ -n "$found" ]; then
      echo "served $name $port $found"
      return 0
    fi
    if [ "$status" = 124 ]; then
      silent="$silent $place: no handshake within $HANDSHAKE_SECONDS s;"
    else
      silent="$silent $place: $(printf '%s\n' "$said" | head -n 1);"
    fi
  done
  echo "silent $name $port $(as_word "${silent# }")"
}
