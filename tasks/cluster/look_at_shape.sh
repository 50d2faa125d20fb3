#!/bin/sh
# Prints what says where a node has its files and ports: the kubelet's flags and configuration, and the manifests. Changes nothing.
#
# Given:  CONFIG       the kubelet's configuration
#         CONFIG_DIR   its drop-in folder; empty for none
#         MANIFESTS    the folder of static pods
#         PARKED       the folder where runbooks park them
#         POD_CONFIGS  a line for each static pod whose flags name a configuration: the pod, a space, the file on the node
#
# Prints:  hostname; words of the kubelet's process, or environment of its unit; config, dropin PATH (one word), real MANIFESTS,
#          manifest NAME, parked NAME and pod_config NAME, each with a text in base64; absent PATH, unread PATH
# Status:  0

. tasks/core/words.lib.sh

set -u

encoded() {
  base64 -w0
}

# KIND FILE: prints the text of a file, or that it does not exist, or that it cannot be read.
tell() {
  if [ ! -e "$2" ]; then
    printf 'absent %s\n' "$2"
  elif [ -r "$2" ]; then
    echo "$1 $(encoded < "$2")"
  else
    printf 'unread %s\n' "$2"
  fi
}

# Lists all files that a kubelet reads: also in subfolders, and links to files. It does not follow links to folders.
tell_drop_ins() {
  if [ ! -d "$CONFIG_DIR" ]; then
    tell dropin "$CONFIG_DIR/"
    return
  fi
  find "$CONFIG_DIR" -name '*.conf' ! -type d | while IFS= read -r file; do
    tell "dropin $(as_word "$file")" "$file"
  done
}

# KIND FOLDER: prints each manifest in it.
tell_manifests() {
  for file in "$2"/*.yaml "$2"/*.yml "$2"/*.json; do
    [ ! -f "$file" ] || tell "$1 $(basename "$file" | sed 's/\.[a-z]*$//; s/ /_/g')" "$file"
  done
}

echo "hostname $(hostname)"
pid=$(systemctl show --property=MainPID --value kubelet.service)
if [ "${pid:-0}" -gt 0 ] && [ -r "/proc/$pid/cmdline" ]; then
  echo "words $(tr '\0' '\n' < "/proc/$pid/cmdline" | encoded)"
fi
echo "environment $(systemctl show --property=Environment --value kubelet.service | encoded)"
tell config "$CONFIG"
[ -z "$CONFIG_DIR" ] || tell_drop_ins
echo "real $(realpath -m "$MANIFESTS" | encoded)"
tell_manifests manifest "$MANIFESTS"
tell_manifests parked "$PARKED"
printf '%s\n' "$POD_CONFIGS" | while read -r pod file; do
  [ -z "$file" ] || tell "pod_config $pod" "$file"
done
