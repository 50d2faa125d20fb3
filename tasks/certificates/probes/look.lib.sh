#!/bin/sh
# What a node says of one file, one kubeconfig, one program or one port. Keys are told by their public halves alone.
#
# Given:  HANDSHAKE_SECONDS  for a port to present its certificate

encoded() {
  base64 -w0
}

decoded_lines() {
  while read -r line; do
    printf '%s' "$line" | base64 -d
  done
}

only_certificates() {
  sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p'
}

# Standard input: a private key. Its public half.
public() {
  openssl pkey -pubout -outform DER 2> /dev/null | encoded
}

# FILE: when it was written, its mode and its owner.
about() {
  stat -L -c '%Y %a %u:%g' -- "$1"
}

# FILE: with its key, beside it or inside.
certificate() {
  [ -e "$1" ] || return 0
  echo "certificate $1 $(about "$1") $(only_certificates < "$1" | encoded)"
  key=${1%.crt}.key
  case "$1" in
    *.pem) key=$1 ;;
  esac
  if { [ -e "$key" ] && [ "$key" != "$1" ]; } || grep -qs 'PRIVATE KEY-----' "$1"; then
    echo "key $1 $(public < "$key")"
  fi
}

# NAME FILE: a value of YAML, wherever it is in there.
value() {
  sed -n "s/^ *\(- \)\{0,1\}$1: *//p" "$2" | tr -d '"'
}

# FILE COPY_OF: without its key; a copy that is not there is told.
kubeconfig() {
  if [ ! -e "$1" ]; then
    [ -z "$2" ] || echo "no_kubeconfig $1 $2"
    return 0
  fi
  server=$(value server "$1" | head -n 1)
  names_file=$(value client-certificate "$1" | head -n 1)
  echo "kubeconfig $1 $(about "$1") ${2:--} $server $names_file"
  echo "embedded $1 $(value client-certificate-data "$1" | decoded_lines | only_certificates | encoded)"
  key=$(value client-key-data "$1" | head -n 1 | base64 -d 2> /dev/null | public)
  [ -z "$key" ] || echo "key $1 $key"
  echo "trusted $1 $(value certificate-authority-data "$1" | decoded_lines | only_certificates | encoded)"
}

# NAME: since when it runs, and its container. ps knows whole seconds, and files are written in the second of a restart.
process() {
  pid=$(pids_of "$1" | head -n 1)
  [ -n "$pid" ] || return 0
  container=$(container_of "$pid")
  uptime=$(cut -d ' ' -f 1 /proc/uptime)
  started=$(echo "$uptime $(sed 's/.*) //' "/proc/$pid/stat") $(date +%s.%N)" \
    | awk -v hz="$(getconf CLK_TCK)" 'NF > 21 { printf "%.2f", $(NF) - $1 + $21 / hz }')
  echo "process $1 $started $container"
}

# NAME PORT HOST...: what the port presents, at the first of these addresses that answers.
served() {
  name=$1
  port=$2
  shift 2
  for host in "$@"; do
    found=$(timeout "$HANDSHAKE_SECONDS" openssl s_client -connect "$host:$port" < /dev/null 2> /dev/null \
      | only_certificates | encoded)
    [ -z "$found" ] || break
  done
  echo "served $name $port $found"
}
