#!/bin/sh
# Everything that an upgrade or a patch asks of a machine; with a target also the repository of that minor. Changes nothing.
#
# Given:  FLAG_FILES           in which flags of the kubelet may be
#         CA_ROTATIONS         the folder of rotations of authorities
#         KUBELET_CERTIFICATE  the file of the kubelet's client certificate, with its key
#
# Prints:  lines of a kind and its words, for `parse` of node_facts.py
# Status:  0

. tasks/nodes/probes/machine.lib.sh
. tasks/nodes/probes/running.lib.sh
. tasks/nodes/probes/packages.lib.sh

# Prints the operating system, and what of it a kubelet minds.
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

# Prints how much space there is, and how much of it etcd's directory takes.
tell_space() {
  for folder in /var/lib /etc/kubernetes; do
    echo "free $folder $(free_of "$folder")"
  done
  data=$(sed -n 's/.*--data-dir=//p' /etc/kubernetes/manifests/etcd.yaml 2> /dev/null)
  [ -z "$data" ] || echo "etcd_bytes $(du -sb "$data" 2> /dev/null | cut -f1)"
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
  sed -n 's/^\(failCgroupV1\|failSwapOn\): */config \1 /p' /var/lib/kubelet/config.yaml 2> /dev/null
}

# Prints the certificates of kubeadm, of its kubeconfigs and of the kubelet; of a file with a key no more than the certificate.
tell_certificates() {
  for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do
    [ ! -e "$file" ] || echo "certificate $file $(encoded < "$file")"
  done
  for file in /etc/kubernetes/*.conf; do
    [ ! -e "$file" ] || sed -n "s|^ *client-certificate-data: |certificate $file |p" "$file"
  done
  [ -e "$KUBELET_CERTIFICATE" ] || return 0
  echo "certificate $KUBELET_CERTIFICATE $(sed -n '/BEGIN CERT/,/END CERT/p' "$KUBELET_CERTIFICATE" | encoded)"
}

# Prints the rotations of authorities that have begun here and not ended.
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
