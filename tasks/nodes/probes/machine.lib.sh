#!/bin/sh
# Functions that print quickly whether a node is healthy: its boot, units, static pods, its own API server, and our jobs.
#
# Given:  UNITS        systemd units to ask for
#         MANIFESTS    the folder of static pods
#         API_SERVER   HOST:PORT where the node itself reaches its API server; empty where it has none
#         API_CA       the certificate of its CA
#         API_CLIENT   the certificate of one of its clients
#         API_KEY      the key of that client

# Prints standard input as one word.
encoded() {
  base64 -w0
}

# Prints the node's clock and its boot.
tell_boot() {
  echo "now $(date +%s.%N)"
  echo "boot $(cat /proc/sys/kernel/random/boot_id)"
}

# Prints which units run.
tell_units() {
  for unit in $UNITS; do
    if systemctl is-active --quiet "$unit"; then
      echo "active $unit yes"
    else
      echo "active $unit no"
    fi
  done
}

# Prints the manifests of static pods.
tell_manifests() {
  for file in "$MANIFESTS"/*.yaml "$MANIFESTS"/*.yml "$MANIFESTS"/*.json; do
    [ ! -f "$file" ] || echo "manifest $(basename "$file" | sed 's/\.[a-z]*$//; s/ /_/g') $(encoded < "$file")"
  done
}

# Asks the API server of this node for $1, by the API server's own client certificate, with further options of curl.
ask_api_server() {
  path=$1
  shift
  curl --silent --max-time 5 --connect-to "::$API_SERVER" --cacert "$API_CA" --cert "$API_CLIENT" --key "$API_KEY" \
    "$@" "https://kubernetes$path"
}

# Prints whether the API server of this node is ready, and its version; nothing if there is none.
tell_api_server() {
  [ -n "$API_SERVER" ] || return 0
  echo "api_ready $(ask_api_server /readyz --output /dev/null --write-out '%{http_code}')"
  echo "api_version $(ask_api_server /version | encoded)"
}

# Prints our jobs that are running; `silent` and why, if systemd does not say.
tell_jobs() {
  if jobs=$(systemctl list-units --no-legend --plain --state=active,activating,deactivating 'kube-runbooks-*' 2>&1); then
    echo "$jobs" | sed -n 's/^kube-runbooks-\([^ ]*\)\.service.*/job \1/p'
  else
    echo "silent $(echo "$jobs" | tr '\n' ' ')"
  fi
}
