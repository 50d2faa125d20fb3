#!/bin/sh
# Asks repositories which versions of packages they have. Standard input has their files: names, and texts in base64.
# Changes nothing: its sources, lists and cache are in a folder that is removed.
#
# Given:  MANAGER      apt or dnf
#         PROGRAMS     packages of Kubernetes
#         ASK_SECONDS  the most seconds that it may take
#
# Prints:  `asked STATUS WORDS`, the output of the package manager in base64; `index URI` for each that was fetched; `candidate NAME VERSION`;
#          `unread WORDS` if apt does not read an index
# Status:  0

. tasks/nodes/probes/repositories.lib.sh

# The folder was empty, so an index in it is current, whatever apt warns of.
ask_apt() {
  said=$(with_copies "$work" timeout "$ASK_SECONDS" apt-get -qq update -o Acquire::Retries=0 -o Acquire::http::Timeout=10 2>&1)
  echo "asked $? $(echo "$said" | base64 -w0)"
  indices_in "$work" | sed 's/^/index /'
  # shellcheck disable=SC2086 # words
  if said=$(with_copies "$work" apt-cache -q madison $PROGRAMS 2>&1); then
    echo "$said" | sed -n 's/ //g; s/^\([^|]*\)|\([^|]*\)|.*/candidate \1 \2/p'
  else
    echo "unread $(echo "$said" | base64 -w0)"
  fi
}

# Prints the facts in our own format.
ask_dnf() {
  # shellcheck disable=SC2086 # words
  said=$(timeout "$ASK_SECONDS" dnf -q --setopt=reposdir="$work/parts" --setopt=cachedir="$work/cache" \
    repoquery --available --qf 'candidate %{name} %{version}-%{release}\n' $PROGRAMS 2>&1)
  status=$?
  echo "asked $status $(echo "$said" | base64 -w0)"
  [ "$status" != 0 ] || echo "index all"
  echo "$said" | grep '^candidate '
}

set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
place_copies "$work/parts"
case "$MANAGER" in
  apt) ask_apt ;;
  dnf) ask_dnf ;;
esac
exit 0
