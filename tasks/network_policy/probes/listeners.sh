#!/bin/sh
# Prints on which TCP ports pods of this node listen. Changes nothing. Standard input has the uid of a pod on each line.
#
# Prints:  `absent UID` for a pod without a process in a network of its own; `listens UID ADDRESS:PORT` in hexadecimal, as
#          /proc/net/tcp has them
# Status:  0

. tasks/network_policy/probes/pods.lib.sh

set -u
while read -r uid; do
  pid=$(process_of "$uid")
  if [ -z "$pid" ]; then
    echo "absent $uid"
    continue
  fi
  for table in "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"; do
    [ ! -r "$table" ] || while read -r _ local _ state _; do
      [ "$state" != 0A ] || echo "listens $uid $local"
    done < "$table"
  done
done
exit 0
