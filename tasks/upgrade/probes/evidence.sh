#!/bin/sh
# Prints the diagnostics of a failed node: the kubelet's journal, containers, and how manifests differ from kubeadm's copies. Changes nothing.
#
# Given:  UNIT_LINES  how many lines of the kubelet's journal
#         FLAG_FILES  files that may have flags of the kubelet
#         MANIFESTS   its folder of static pods
#         ENDPOINT    the socket of its container runtime; empty: crictl finds it
#
# Prints:  text for people
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
  ps -eo pid,etime,comm | grep -E 'kube|etcd|containerd|crio'
  echo "== containers"
  if ! command -v crictl > /dev/null; then
    echo "there is no crictl on this node"
    return 0
  fi
  crictl ${ENDPOINT:+"--runtime-endpoint=$ENDPOINT"} ps -a | head -n 40
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
  diff -u "$old" "$MANIFESTS"
}

tell_kubelet
tell_processes
tell_logs
tell_manifests
exit 0
