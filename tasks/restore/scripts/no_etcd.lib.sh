#!/bin/sh
# Nobody may have a database open that is replaced.

. tasks/control_plane/scripts/processes.lib.sh

# Ends the script where the member's own etcd runs, or anybody has its database open; a workload's etcd is in nobody's way.
require_no_etcd() { # DATABASE
  sees_processes
  pid=$(pids_of etcd | head -n 1)
  if [ -n "$pid" ]; then
    echo "etcd runs on this node: process $pid" >&2
    exit 1
  fi
  holder=$(others_with "$1" | head -n 1)
  if [ -n "$holder" ]; then
    echo "$holder has $1 open" >&2
    exit 1
  fi
}
