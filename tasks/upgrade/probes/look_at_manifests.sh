#!/bin/sh
# Prints the files that kubeadm would write again on a node: static pods and the kubelet's configuration; and what kubeadm reads for that. Changes nothing.
#
# Given:  MANIFESTS   kubeadm's folder of manifests
#         COMPONENTS  names of static pods
#         CONFIG      the kubelet's configuration that kubeadm writes
#         INSTANCE    the kubelet's configuration of this node alone, which kubeadm reads
#         PATCHES     the folder of patches; empty for none
#         STAGED      kubeadm of the target version, once it is staged
#
# Prints:  `kubeadm VERSION`, `program PATH` of it, `written_to FOLDER`, and in base64 `manifest NAME TEXT`, `kubelet TEXT`,
#          `instance TEXT`, `patch NAME TEXT`; `no_kubelet WHY` and `no_patches WHY` if there is none
# Status:  0

# Prints standard input as one word.
encoded() {
  base64 -w0
}

# KIND FILE: prints its text, or why there is none.
tell() {
  if [ ! -e "$2" ]; then
    echo "no_$1 $2 is not there"
  elif ! text=$(encoded < "$2"); then
    echo "no_$1 $2 could not be read"
  else
    echo "$1 $text"
  fi
}

# Prints each file that kubeadm reads in the folder of patches and in its subfolders.
tell_patches() {
  if [ ! -d "$PATCHES/" ]; then
    echo "no_patches there is no folder $PATCHES"
    return
  fi
  find "$PATCHES/" ! -type d \( -name '*.yaml' -o -name '*.json' \) | while IFS= read -r file; do
    if text=$(encoded < "$file"); then
      echo "patch $(printf %s "${file#"$PATCHES/"}" | encoded) $text"
    else
      echo "no_patches $file could not be read"
    fi
  done
}

set -u
program=kubeadm
[ ! -x "$STAGED" ] || program=$STAGED
echo "program $program"
echo "kubeadm $("$program" version -o short 2> /dev/null)"
echo "written_to $(realpath -m "$MANIFESTS")"
for pod in $COMPONENTS; do
  [ ! -e "$MANIFESTS/$pod.yaml" ] || echo "manifest $pod $(encoded < "$MANIFESTS/$pod.yaml")"
done
tell kubelet "$CONFIG"
[ ! -e "$INSTANCE" ] || tell instance "$INSTANCE"
[ -z "$PATCHES" ] || tell_patches
exit 0
