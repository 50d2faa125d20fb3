#!/bin/sh
# Asks a registry, as the container runtime of this node would: from here, and through the proxies of its unit. Changes nothing.
# Standard input has a configuration of curl, with the credentials.
#
# Given:  ASK_SECONDS  the most seconds that it may take
#         MOST_BYTES   the most bytes of an answer that are printed
#
# Prints:  `status CODE`, 000 for no answer; `curl STATUS WORDS`; `head TEXT` and `body TEXT` of the answer; words and texts in base64
# Status:  0

. tasks/nodes/probes/running.lib.sh

# Prints standard input as one word.
encoded() {
  base64 -w0
}

# PID: takes over the proxies of a process. Go, unlike curl, reads both spellings of each variable.
use_proxies_of() {
  while IFS='=' read -r name value; do
    case "$name" in
      HTTP_PROXY | http_proxy) export http_proxy="$value" ;;
      HTTPS_PROXY | https_proxy) export https_proxy="$value" ;;
      NO_PROXY | no_proxy) export no_proxy="$value" ;;
    esac
  done << END
$(tr '\0' '\n' < "/proc/$1/environ")
END
}

set -u
unset http_proxy https_proxy no_proxy all_proxy HTTPS_PROXY NO_PROXY ALL_PROXY
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pid=$(main_pid_of containerd.service)
[ -z "$pid" ] || use_proxies_of "$pid"
status=0
code=$(curl --config - --silent --show-error --location --max-time "$ASK_SECONDS" --dump-header "$work/head" --output "$work/body" \
  --write-out '%{http_code}' 2> "$work/words") || status=$?
touch "$work/head" "$work/body"
echo "status ${code:-000}"
echo "curl $status $(encoded < "$work/words")"
echo "head $(encoded < "$work/head")"
echo "body $(head -c "$MOST_BYTES" "$work/body" | encoded)"
exit 0
