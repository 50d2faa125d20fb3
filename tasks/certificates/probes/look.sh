#!/bin/sh
# All certificates of a node: on disk, inside kubeconfigs and on the wire; and the programs that have read them. Changes nothing.
#
# Given:  FOLDER            kubeadm's
#         COPIES            copies of kubeconfigs, a line each: `admin.conf /root/.kube/config`
#         KUBECONFIGS       kubeadm's own, below FOLDER
#         FILE_FLAGS        flags that name a file with certificates
#         PODS              static pods of a control plane node
#         PARKED            where manifests are that are away from kubelet
#         KUBELET_PKI       kubelet's own folder
#         API_PORT          of an API server whose manifest does not say it
#         CLIENT_PORT       of etcd
#         PEER_PORT         of etcd
#         KUBELET_PORT      of kubelet
#         CONTROLLERS_PORT  of kube-controller-manager
#         SCHEDULER_PORT    of kube-scheduler
#
# Prints:  lines, by their first word: now, hostname, kubeadm, addresses, openssl, certificate, key, written, signer, kubeconfig,
#          no_kubeconfig, embedded, trusted, manifest, process, setting, served, unit. What is encoded is so by base64.
# Status:  0; what is not there is not told

. tasks/control_plane/scripts/processes.lib.sh
. tasks/certificates/probes/look.lib.sh

set -u

tell_node() {
  echo "now $(date +%s.%N)"
  echo "hostname $(hostname)"
  echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
  echo "addresses $(hostname -I 2> /dev/null)"
  if command -v openssl > /dev/null; then
    echo "openssl yes"
  else
    echo "openssl no"
  fi
}

etcds_unit() {
  systemctl show --property=ExecStart --value etcd.service 2> /dev/null
}

# Of static pods, wherever their manifests are, and of etcd's unit.
all_flags() {
  cat "$FOLDER"/manifests/*.yaml "$PARKED"/*.yaml 2> /dev/null | sed -n 's/^ *- //p'
  etcds_unit | tr ' ' '\n'
}

# kubeadm's, those that flags name elsewhere, and kubelet's.
tell_files() {
  find "$FOLDER/pki" -name '*.crt' -type f 2> /dev/null | sort | while read -r file; do
    certificate "$file"
  done
  names=$(echo "$FILE_FLAGS" | sed 's/ /\\|/g')
  echo "$flags" | sed -n "s/^--\($names\)=//p" | sort -u | while read -r file; do
    case "$file" in
      "$FOLDER"/pki/*.crt) ;;
      *) certificate "$file" ;;
    esac
  done
  for file in kubelet-client-current.pem kubelet-server-current.pem kubelet.crt; do
    certificate "$KUBELET_PKI/$file"
  done
}

# The keys that tokens of service accounts are signed with, and checked by.
tell_signers() {
  file=$FOLDER/pki/sa.pub
  if [ -e "$file" ]; then
    echo "written $file $(stat -L -c %Y "$file")"
    echo "signer $file public $(openssl pkey -pubin -pubout -outform DER < "$file" 2> /dev/null | encoded)"
  fi
  file=$FOLDER/pki/sa.key
  if [ -e "$file" ]; then
    echo "written $file $(stat -L -c %Y "$file")"
    echo "signer $file private $(public < "$file")"
  fi
}

tell_kubeconfigs() {
  for name in $KUBECONFIGS; do
    kubeconfig "$FOLDER/$name" ""
  done
  echo "$COPIES" | while read -r of path; do
    [ -z "$path" ] || kubeconfig "$path" "$of"
  done
}

# POD: where its manifest is, and what is in it.
tell_manifest() {
  for place in active:"$FOLDER"/manifests parked:"$PARKED"; do
    file=${place#*:}/$1.yaml
    if [ -e "$file" ]; then
      echo "manifest $1 ${place%%:*} $(encoded < "$file")"
      break
    fi
  done
}

tell_programs() {
  for pod in $PODS; do
    tell_manifest "$pod"
    process "$pod"
  done
  process kubelet
  for name in serverTLSBootstrap rotateCertificates tlsCertFile; do
    sed -n "s/^$name: */setting $name /p" /var/lib/kubelet/config.yaml 2> /dev/null
  done
}

# NAME: the first value of a flag.
flag() {
  echo "$flags" | sed -n "s/^--$1=//p" | head -n 1
}

# URLS, with commas between: their hosts.
at() {
  echo "$1" | tr ',' '\n' | sed -n 's|^https://\(.*\):[0-9]*$|\1|p'
}

runs() {
  [ -n "$(pids_of "$1")" ]
}

# shellcheck disable=SC2046,SC2086 # addresses are words
tell_served() {
  own=$(hostname -I 2> /dev/null | tr ' ' '\n' | head -n 3)
  secure=$(sed -n 's/.*--secure-port=//p' "$FOLDER/manifests/kube-apiserver.yaml" 2> /dev/null)
  if runs kube-apiserver; then
    served kube-apiserver "${secure:-$API_PORT}" 127.0.0.1 $own
  fi
  if runs etcd; then
    served etcd "$CLIENT_PORT" $(at "$(flag listen-client-urls)") $own
    served etcd "$PEER_PORT" $(at "$(flag listen-peer-urls)") $own
  fi
  if runs kube-controller-manager; then
    served kube-controller-manager "$CONTROLLERS_PORT" 127.0.0.1 $own
  fi
  if runs kube-scheduler; then
    served kube-scheduler "$SCHEDULER_PORT" 127.0.0.1 $own
  fi
  if runs kubelet; then
    served kubelet "$KUBELET_PORT" 127.0.0.1 $own
  fi
}

tell_unit() {
  unit=$(etcds_unit)
  [ -z "$unit" ] || echo "unit $(echo "$unit" | encoded)"
}

tell_node
flags=$(all_flags)
tell_files
tell_signers
tell_kubeconfigs
tell_programs
tell_served
tell_unit
true
