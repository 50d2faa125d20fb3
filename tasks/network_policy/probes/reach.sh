#!/bin/sh
# Tries TCP connections from the network of pods of this node, all at once, and sends nothing. Changes nothing.
# Standard input has `NUMBER UID ADDRESS PORT` on each line; the uid `-` is the node itself.
#
# Given:  SECONDS_EACH  how long one connection may take
#
# Prints:  `tried NUMBER STATUS WORDS` for each: 0 if it was open, 124 if nothing answered, 1 if it was refused, 3 if the pod has no
#          process in a network of its own
# Status:  0

. tasks/network_policy/probes/pods.lib.sh

# Opens a connection with the words of the node's own bash: nothing has to be in the image of the pod.
connect() {
  if [ "$1" = - ]; then
    shift
  else
    pid=$(process_of "$1")
    shift
    if [ -z "$pid" ]; then
      echo "the pod has no process in a network of its own"
      return 3
    fi
    set -- "$@" nsenter --net --target "$pid"
  fi
  address=$1 port=$2
  shift 2
  # shellcheck disable=SC2016  # the inner bash expands them
  timeout "$SECONDS_EACH" "$@" bash -c 'exec 3<> "/dev/tcp/$0/$1"' "$address" "$port" 2>&1
}

set -u
while read -r number uid address port; do
  {
    words=$(connect "$uid" "$address" "$port" < /dev/null)
    status=$?
    echo "tried $number $status $(echo "$words" | tail -n 1)"
  } &
done
wait
exit 0
