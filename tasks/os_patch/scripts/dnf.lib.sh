#!/bin/sh
# dnf's upgrade without what is protected.
#
# Given:  PROTECTED  packages that stay as they are
#         SCOPE      `security` for security updates alone

# Options of dnf come before the rest.
upgrade_by_dnf() {
  for name in $PROTECTED; do
    set -- "$@" "--exclude=$name"
  done
  set -- "$@" upgrade
  [ "$SCOPE" != security ] || set -- "$@" --security
  dnf "$@"
}
