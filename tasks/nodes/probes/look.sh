#!/bin/sh
# Prints everything that an upgrade or a patch needs to know about a node. Changes nothing.
#
# Given:  FLAG_FILES           files that may have flags of the kubelet
#         CA_ROTATIONS         the folder of CA rotations
#         KUBELET_CONFIG       the kubelet's configuration
#         KUBELET_CERTIFICATE  the file of the kubelet's client certificate, with its key
#         PKI                  kubeadm's folder of certificates; empty if there is none
#         KUBECONFIGS          the folder with kubeadm's kubeconfigs
#         ETCD_DATA            etcd's directory; empty if there is none
#
# Prints:  lines of a kind and its words, for `parse` of node_facts.py; a path is one word, with %20 for a space
# Status:  0

. tasks/nodes/probes/machine.lib.sh
. tasks/nodes/probes/running.lib.sh
. tasks/nodes/probes/packages.lib.sh
. tasks/core/manifests.lib.sh
. tasks/core/words.lib.sh
. tasks/core/masked.lib.sh

# Prints the operating system, and its settings that matter to a kubelet.
tell_system() {
  echo "kernel $(uname -r)"
  sed -n 's/^\(ID\|ID_LIKE\|VERSION_ID\)=/os_\1 /p' /etc/os-release | tr -d '"'
  echo "cgroup $(stat -fc %T /sys/fs/cgroup)"
  [ "$(wc -l < /proc/swaps)" -le 1 ] || echo "swap yes"
}

# Prints the versions of the programs that are installed.
tell_programs() {
  echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
  echo "kubelet $(kubelet --version 2> /dev/null)"
  echo "kubectl $(kubectl version --client 2> /dev/null | head -n 1)"
  echo "containerd $(containerd --version 2> /dev/null)"
}

# Prints the free bytes of the file system that has, or will have, the path.
free_of() {
  path=$1
  while [ ! -e "$path" ]; do
    path=$(dirname "$path")
  done
  df --output=avail -B1 "$path" | tail -n 1 | tr -d ' '
}

# Prints how much space there is, and the size of etcd's directory.
tell_space() {
  for folder in /var/lib "$KUBECONFIGS"; do
    echo "free $(as_word "$folder") $(free_of "$folder")"
  done
  [ -n "$ETCD_DATA" ] || return 0
  size=$(du -sbD "$ETCD_DATA" 2> /dev/null | cut -f1)
  if [ -n "$size" ]; then
    echo "etcd_bytes $size"
  else
    echo "unread $(as_word "$ETCD_DATA") its size is not known"
  fi
}

# Prints the flags of the kubelet's process and of its files, and switches of its configuration.
tell_kubelet() {
  pid=$(main_pid_of kubelet.service)
  if [ -n "$pid" ]; then
    flags=$(tr '\0' '\n' < "/proc/$pid/cmdline" | sed -n 's/^--\([^=]*\).*/\1/p' | tr '\n' ' ')
    echo "flags $flags"
  fi
  for file in $FLAG_FILES; do
    [ -e "$file" ] || continue
    flags=$(grep -v '^#' "$file" | grep -oe '--[a-z][a-z0-9-]*' | sed 's/^--//' | tr '\n' ' ')
    echo "flag_file $file $flags"
  done
  [ ! -e "$KUBELET_CONFIG" ] || echo "kubelet_config $(encoded < "$KUBELET_CONFIG")"
}

# Prints the certificates of kubeadm and of the kubelet, without keys; and kubeconfigs without secrets.
tell_certificates() {
  if [ -n "$PKI" ]; then
    for file in "$PKI"/*.crt "$PKI"/etcd/*.crt; do
      [ ! -e "$file" ] || echo "certificate $(as_word "$file") $(encoded < "$file")"
    done
  fi
  for file in "$KUBECONFIGS"/*.conf; do
    [ ! -e "$file" ] || echo "kubeconfig $(as_word "$file") $(masked "$file" | encoded)"
  done
  [ -e "$KUBELET_CERTIFICATE" ] || return 0
  echo "certificate $(as_word "$KUBELET_CERTIFICATE") $(sed -n '/BEGIN CERT/,/END CERT/p' "$KUBELET_CERTIFICATE" | encoded)"
}

# Prints the CA rotations that have begun here and not finished.
tell_rotations() {
  for half in "$CA_ROTATIONS"/*/new.pem; do
    case "$half" in
      *-ended-*) continue ;;
    esac
    [ ! -e "$half" ] || echo "ca_rotation $(basename "$(dirname "$half")")"
  done
}

set -u
tell_boot
tell_units
tell_manifests
tell_others
tell_api_server
tell_jobs
tell_system
tell_programs
tell_what_runs
tell_space
tell_kubelet
tell_certificates
tell_rotations
tell_packages
exit 0
