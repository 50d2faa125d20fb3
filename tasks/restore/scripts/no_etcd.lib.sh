#!/bin/sh
# Checks that no process has the database open that is replaced.

. tasks/control_plane/scripts/processes.lib.sh

# Ends the script if the member's own etcd runs, or if a process has its database open. A workload's etcd does not matter.
require_no_etcd() { # DATABASE
  sees_processes
  pids=$(pids_of etcd)
  if [ -n "$pids" ]; then
    echo "etcd runs on this node: process $(echo "$pids" | head -n 1)" >&2
    exit 1
  fi
  holder=$(others_with "$1" | head -n 1)
  if [ -n "$holder" ]; then
    echo "$holder has $1 open" >&2
    exit 1
  fi
}
