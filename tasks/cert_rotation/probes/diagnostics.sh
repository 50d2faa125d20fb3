#!/bin/sh
# Prints the diagnostics of a node on which a proof has failed. Changes nothing.
#
# Given:  PODS  static pods
# Prints:  processes, and the ends of the logs of the static pods and the kubelet
# Status:  0

echo "== processes"
# shellcheck disable=SC2009 # pgrep prints no age
ps -eo pid,etime,comm | grep -E 'kube|etcd|containerd'
for pod in $PODS; do
  # shellcheck disable=SC2012 # the newest one; kubelet makes their names
  log=$(ls -t /var/log/pods/kube-system_"$pod"-*/*/*.log 2> /dev/null | head -n 1)
  [ -n "$log" ] || continue
  echo "== $log"
  tail -n 40 "$log"
done
echo "== kubelet"
journalctl -u kubelet -n 80 --no-pager
true
