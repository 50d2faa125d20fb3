#!/bin/sh
# What a failed node has to say: kubelet's journal, containers, manifests against kubeadm's copy of the old ones. Changes nothing.
#
# Given:  UNIT_LINES  of the kubelet's journal
#         FLAG_FILES  in which flags of the kubelet may be
#
# Prints:  all of it, for a person
# Status:  0

# Prints the kubelet's state, its journal and its flags.
tell_kubelet() {
  echo "== kubelet"
  systemctl status kubelet --no-pager -n 0
  journalctl -u kubelet -n "$UNIT_LINES" --no-pager -o short-iso
  echo "== flags"
  # shellcheck disable=SC2086 # names of files
  head -v -n 20 $FLAG_FILES 2> /dev/null
}

# Prints processes and containers.
tell_processes() {
  echo "== processes"
  # shellcheck disable=SC2009 # with their age
  ps -eo pid,etime,comm | grep -E 'kube|etcd|containerd'
  command -v crictl > /dev/null || return 0
  echo "== containers"
  crictl ps -a | head -n 40
}

# Prints the end of the newest log of each component of the control plane.
tell_logs() {
  for pod in kube-apiserver etcd kube-controller-manager kube-scheduler; do
    # shellcheck disable=SC2012 # by age, and the names are kubelet's
    newest=$(ls -t /var/log/pods/kube-system_$pod-*/*/*.log 2> /dev/null | head -n 1)
    [ -n "$newest" ] || continue
    echo "== $newest"
    tail -n 40 "$newest"
  done
}

# Prints what kubeadm has changed of the manifests.
tell_manifests() {
  # shellcheck disable=SC2012 # by age, and the names are kubeadm's
  old=$(ls -dt /etc/kubernetes/tmp/kubeadm-backup-manifests-* 2> /dev/null | head -n 1)
  [ -n "$old" ] || return 0
  echo "== manifests, the old ones in $old"
  diff -u "$old" /etc/kubernetes/manifests
}

tell_kubelet
tell_processes
tell_logs
tell_manifests
exit 0
