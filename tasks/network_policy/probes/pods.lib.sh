#!/bin/sh
# Finds the network namespace of a pod by one of its processes. The runtime is not asked: the cgroup of a process names the uid
# of its pod (containerd and CRI-O, systemd and cgroupfs), and if the kubelet makes no cgroups, what it mounts into containers does.

# Prints the oldest process of the pod UID; nothing if it has none, or if it is in the network of the node.
process_of() {
  pod_uid=$1
  pod_files=$(grep -lsE "pod($pod_uid|$(echo "$pod_uid" | tr - _))([./]|\$)" /proc/[0-9]*/cgroup)
  pod_files=${pod_files:-$(grep -lsE "/pods/$pod_uid/(containers/|etc-hosts )" /proc/[0-9]*/mountinfo)}
  pod_pid=$(echo "$pod_files" | sed -n 's|^/proc/\([0-9]*\)/.*|\1|p' | sort -n | head -n 1)
  if [ -n "$pod_pid" ] && [ "$(readlink "/proc/$pod_pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; then
    echo "$pod_pid"
  fi
}
