#!/bin/sh
# Asks programs for their health, which they report to any client on their node.

# Prints `ok` when the program at an address (`127.0.0.1:10257`, `[::1]:10257`) is healthy; otherwise its answer, or why there is none.
health() { # ADDRESS
  status=0
  said=$(curl --insecure --silent --globoff --noproxy '*' --max-time 5 "https://$1/healthz" 2> /dev/null) || status=$?
  case "$status" in
    0) printf '%s\n' "${said%%
*}" ;;
    28) echo "no answer within 5 s at $1" ;;
    *) echo "no answer at $1 (curl: status $status)" ;;
  esac
}
