#!/bin/sh
# Finds etcdctl and etcdutl of one minor version: the host's programs, or our copies. If there are none, it copies them once for each
# minor version, from the member's container (of any runtime) or from its image.
#
# Given:   MINOR     for example 3.6
#          IMAGE     of the member; empty if it runs from no image
#          RUNTIME   containerd's socket; empty if the runtime is another one, or for ctr's default
#          PROGRAMS  the folder of our copies
# Prints:  a folder with both programs
# Status:  3 if they are not found; stderr lists the places that were searched

. tasks/control_plane/scripts/processes.lib.sh

copies=$PROGRAMS/etcd-$MINOR

# Checks that both programs of a folder are of this minor version. If not, stderr says why.
are_of_minor() { # FOLDER
  for program in etcdctl etcdutl; do
    if [ ! -x "$1/$program" ]; then
      echo "$1 has no $program" >&2
      return 1
    fi
    said=$("$1/$program" version 2>&1 < /dev/null | head -n 1)
    case "$said" in
      "$program version: $MINOR."*) ;;
      *)
        echo "$1/$program says: $said" >&2
        return 1
        ;;
    esac
  done
}

# Copies the programs from a folder with the files of the member's container or image, in one move.
copy_out_of() { # FOLDER
  mkdir -p "$PROGRAMS"
  rm -rf "$copies.new"
  mkdir "$copies.new"
  if cp "$1/usr/local/bin/etcdctl" "$1/usr/local/bin/etcdutl" "$copies.new"; then
    rm -rf "$copies"
    mv "$copies.new" "$copies"
  else
    rm -rf "$copies.new"
    return 1
  fi
}

copy_out_of_container() {
  pid=$(static_pids_of etcd | head -n 1)
  if [ -z "$pid" ]; then
    echo "the member does not run in a container" >&2
    return 1
  fi
  copy_out_of "/proc/$pid/root"
}

containerd() {
  timeout 20 ctr ${RUNTIME:+--address "$RUNTIME"} --namespace k8s.io images "$@"
}

# Prints where `podman` (CRI-O's images are its own) or containerd shows the image.
copy_out_of_image() {
  if command -v ctr > /dev/null; then
    view=$(mktemp -d /run/kube-runbooks-image.XXXXXX)
    done=1
    if containerd mount "$IMAGE" "$view" > /dev/null; then
      copy_out_of "$view"
      done=$?
      containerd unmount --rm "$view" > /dev/null
    fi
    rmdir "$view"
    [ "$done" -ne 0 ] || return 0
  fi
  if command -v podman > /dev/null && view=$(timeout 20 podman image mount "$IMAGE"); then
    copy_out_of "$view"
    done=$?
    timeout 20 podman image unmount "$IMAGE" > /dev/null
    return "$done"
  fi
  echo "neither ctr nor podman shows the image $IMAGE" >&2
  return 1
}

# Prints the folders on PATH that have one of them.
folders_on_path() {
  for program in etcdutl etcdctl; do
    ! found=$(command -v "$program") || dirname "$found"
  done | sort -u
}

# Prints the first folder that has both programs of this minor version.
find_tools() {
  while IFS= read -r folder; do
    if are_of_minor "$folder"; then
      printf '%s\n' "$folder"
      return
    fi
  done << END
$(folders_on_path)
$copies
END
  return 1
}

etcd_tools() {
  ! find_tools || return 0
  [ -n "$IMAGE" ] || return 3
  copy_out_of_container || copy_out_of_image || return 3
  are_of_minor "$copies" || return 3
  echo "$copies"
}

etcd_tools
