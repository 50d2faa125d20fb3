#!/bin/sh
# Asks the container runtime of a node where it keeps images and containers. Changes nothing.
#
# Given:   ENDPOINT  the socket of its container runtime; empty: crictl finds it
# Prints:  one line, with a text in base64: `info JSON` of crictl, `root TOML` of containerd, or `silent WHY`
# Status:  0

. tasks/nodes/probes/running.lib.sh
. tasks/nodes/probes/containerd.lib.sh

# Prints the line of containerd's configuration that names its folder. What comes after it may have secrets.
containerd_root() {
  config=$(configuration) || return
  if tr '\0' '\n' < "/proc/$(main_pid_of containerd.service)/cmdline" | grep -q '^--root'; then
    echo "containerd has the flag --root, which says another folder than its configuration" >&2
    return 1
  fi
  echo "$config" | sed -n '/^root = /p'
}

set -u
words=$(mktemp)
trap 'rm -f "$words"' EXIT
if command -v crictl > /dev/null; then
  if said=$(crictl ${ENDPOINT:+"--runtime-endpoint=$ENDPOINT"} ${ENDPOINT:+"--image-endpoint=$ENDPOINT"} imagefsinfo --output json 2> "$words"); then
    echo "info $(echo "$said" | base64 -w0)"
    exit 0
  fi
elif said=$(containerd_root 2> "$words"); then
  echo "root $(echo "$said" | base64 -w0)"
  exit 0
fi
echo "silent $(tail -n 1 "$words" | base64 -w0)"
