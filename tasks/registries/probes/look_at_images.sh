#!/bin/sh
# Prints which images a node has, and how its kubelet and its container runtime are set up to pull others. Changes nothing.
#
# Given:  ENDPOINT  the socket of its container runtime; empty: crictl finds it
#         OWN       files with credentials that the kubelet itself reads
#
# Prints:  `images JSON` of crictl, or `names LINES` of ctr; `config TOML` of containerd, which may have secrets, or `no_config WHY`;
#          `provider yes` if the kubelet has a credential provider; `own FILE` for each such file. Texts are in base64
# Status:  0

. tasks/nodes/probes/running.lib.sh
. tasks/nodes/probes/containerd.lib.sh

# Prints standard input as one word.
encoded() {
  base64 -w0
}

# Prints the images that the runtime has. crictl is not on every node; ctr comes with containerd.
tell_images() {
  if command -v crictl > /dev/null; then
    if said=$(crictl ${ENDPOINT:+"--runtime-endpoint=$ENDPOINT"} ${ENDPOINT:+"--image-endpoint=$ENDPOINT"} images --output json); then
      echo "images $(echo "$said" | encoded)"
    fi
  elif said=$(ctr ${ENDPOINT:+"--address=${ENDPOINT#unix://}"} --namespace k8s.io images list --quiet); then
    echo "names $(echo "$said" | encoded)"
  fi
}

# Prints what the kubelet adds to the Secrets of a pod.
tell_kubelet() {
  pid=$(main_pid_of kubelet.service)
  if [ -n "$pid" ] && tr '\0' '\n' < "/proc/$pid/cmdline" | grep -q '^--image-credential-provider-config'; then
    echo "provider yes"
  fi
  for file in $OWN; do
    [ ! -e "$file" ] || echo "own $file"
  done
}

set -u
tell_images
tell_kubelet
words=$(mktemp)
trap 'rm -f "$words"' EXIT
if config=$(configuration 2> "$words"); then
  echo "config $(echo "$config" | encoded)"
else
  echo "no_config $(tail -n 1 "$words" | encoded)"
fi
exit 0
