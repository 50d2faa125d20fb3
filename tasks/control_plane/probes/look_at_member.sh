#!/bin/sh
# Prints facts about a member's disk, which certificates exist, and the version of a unit's etcd. Changes nothing.
#
# Given:  DATA     its data directory
#         FILES    paths, one a line
#         PROGRAM  the etcd program of a unit; empty for a static pod, whose image says the version
#
# Prints:  data_real PATH in base64, data_free, data_bytes, data_owner, data_mount, data_held, there PATH, version TEXT in base64;
#          data_problem for what is not known
# Status:  0

. tasks/control_plane/scripts/processes.lib.sh
. tasks/control_plane/scripts/disk.lib.sh

set -u

tell_mount() { # FOLDER
  found=$(mountpoint "$1" 2>&1)
  case $? in
    0) echo "data_mount yes" ;;
    1 | 32) echo "data_mount no" ;;
    *) echo "data_problem whether $1 is a mount point: $found" ;;
  esac
}

tell_data() { # FOLDER
  tell_free data "$1/x"
  [ -d "$1" ] || return 0
  echo "data_owner $(stat -c %u:%g "$1")"
  echo "data_bytes $(du -sb "$1" 2> /dev/null | cut -f1)"
  tell_mount "$1"
  others_with "$1/member/snap/db" | sed 's/^/data_held /'
}

real=$(realpath -m "$DATA")
echo "data_real $(printf '%s' "$real" | base64 -w0)"
tell_data "$real"
set -f # from here on: a path is no pattern, but a look at processes needs patterns
IFS='
'
for file in $FILES; do
  [ ! -r "$file" ] || echo "there $file"
done
[ -z "$PROGRAM" ] || echo "version $("$PROGRAM" --version 2>&1 | base64 -w0)"
