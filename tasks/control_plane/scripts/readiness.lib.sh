#!/bin/sh
# Functions that ask the API server of this node whether it is ready.
#
# With `--anonymous-auth=false`, which is common, it answers only a known client. Any client will do: API servers have a client
# certificate for kubelets.
#
# Given:  SERVER  its address, where the node itself reaches it, in a URL
#         CLIENT  certificate of a client; empty if there is none
#         KEY     of that client

# Prints the status of /readyz; arguments go to curl.
status_of_readyz() {
  curl --globoff --insecure --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$@" "$SERVER/readyz"
}

# Prints 200 if it is ready.
readyz() {
  readyz_status=$(status_of_readyz)
  case "$readyz_status:$CLIENT" in
    40[13]:?*) readyz_status=$(status_of_readyz --cert "$CLIENT" --key "$KEY") ;;
  esac
  echo "$readyz_status"
}
