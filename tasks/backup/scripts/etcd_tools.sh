#!/bin/sh
# Finds etcdctl and etcdutl of one minor version: the host's, or copies that we have made. Else they are copied out of the image
# that the member runs from, once for each minor version.
#
# Given:   MINOR     for example 3.6
#          IMAGE     of the member; nothing where it runs from none
#          PROGRAMS  the folder of our copies
# Prints:  a folder that has both
# Status:  3 where neither the host nor the image has them

copies=$PROGRAMS/etcd-$MINOR

# Whether a folder's etcdutl is of this minor version.
is_of_minor() { # FOLDER
  "$1/etcdutl" version 2> /dev/null | grep -q "^etcdutl version: $MINOR\\."
}

# From an image that is mounted in a folder. Nobody sees half of it.
copy_out_of() { # FOLDER
  rm -rf "$copies.new"
  mkdir "$copies.new"
  cp "$1/usr/local/bin/etcdctl" "$1/usr/local/bin/etcdutl" "$copies.new" || true
  timeout 10 ctr --namespace k8s.io images unmount --rm "$1" > /dev/null
  rm -rf "$copies"
  mv "$copies.new" "$copies"
}

etcd_tools() {
  for folder in $(command -v etcdutl | xargs -r dirname) "$copies"; do
    if [ -x "$folder/etcdctl" ] && is_of_minor "$folder"; then
      echo "$folder"
      return
    fi
  done
  command -v ctr > /dev/null && [ -n "$IMAGE" ] || return 3
  mkdir -p "$PROGRAMS"
  view=$(mktemp -d /run/kube-runbooks-image.XXXXXX)
  if timeout 20 ctr --namespace k8s.io images mount "$IMAGE" "$view" > /dev/null 2>&1; then
    copy_out_of "$view"
  fi
  rmdir "$view"
  is_of_minor "$copies" || return 3
  echo "$copies"
}

etcd_tools
