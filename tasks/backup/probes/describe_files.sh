#!/bin/sh
# Describes those of some files that are there. Changes nothing.
#
# Given:   FILES   a path a line
#          FOLDER  of kubeadm, whose manifests are described as well; nothing: none
# Prints:  what sha256sum and stat say of each
# Status:  another one than 0 where one of them is not there or cannot be read, and stderr says which

set -f
IFS='
'
# shellcheck disable=SC2086  # a path a line: split, and not expanded
set -- $FILES
set +f
if [ -n "$FOLDER" ]; then
  set -- "$@" "$FOLDER"/manifests/*.yaml
fi
sha256sum -- "$@"
stat -L -c '%a %U:%G %n' -- "$@"
