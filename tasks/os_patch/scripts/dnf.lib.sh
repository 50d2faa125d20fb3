#!/bin/sh
# Runs dnf's upgrade without the protected packages.
#
# Given:  PROTECTED  packages that stay as they are
#         SCOPE      `security` for security updates only

# The arguments are options of dnf. They come before its command.
upgrade_by_dnf() {
  for name in $PROTECTED; do
    set -- "$@" "--exclude=$name"
  done
  set -- "$@" upgrade
  [ "$SCOPE" != security ] || set -- "$@" --security
  dnf "$@"
}
