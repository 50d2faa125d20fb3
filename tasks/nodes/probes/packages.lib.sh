#!/bin/sh
# Functions that print what a node's package manager knows of Kubernetes: installed packages, holds, and source files.
#
# Given:  PROGRAMS  packages of Kubernetes

. tasks/nodes/probes/repositories.lib.sh

# Prints the query that the package manager did not answer, with the end of its output.
tell_unknown() {
  echo "unknown $1: $(echo "$2" | tail -n 2 | tr '\n' ' ')"
}

# Prints what dpkg and apt know. dpkg-query exits with 1 if a package is not known.
tell_packages_of_apt() {
  # shellcheck disable=SC2016,SC2086 # fields of dpkg-query; words
  states=$(dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\n' $PROGRAMS 2>&1)
  [ $? -le 1 ] || tell_unknown "which packages are installed" "$states"
  echo "$states" | while read -r kind name version state; do
    case "$kind $state" in
      "package "?i*) echo "installed $name $version" ;;
    esac
  done
  # shellcheck disable=SC2086 # words
  if held=$(apt-mark showhold $PROGRAMS 2>&1); then
    tell_held "$held"
  else
    tell_unknown "which packages are held back" "$held"
  fi
  # shellcheck disable=SC2016 # fields of dpkg-query
  if states=$(dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>&1); then
    echo "$states" | sed -n 's/^.[UHFWt].*|/broken /p'
  else
    tell_unknown "which packages are half-configured" "$states"
  fi
}

# Prints names of packages that are held back.
tell_held() {
  for name in $1; do
    echo "held $name"
  done
}

# Prints what rpm and dnf know. rpm exits with the number of packages that are not installed. If it cannot read its database, it
# reports that of all of them; a list of all packages shows the difference.
tell_packages_of_dnf() {
  if states=$(rpm -qa --qf '' 2>&1); then
    # shellcheck disable=SC2086 # words
    rpm -q --qf 'installed %{NAME} %{VERSION}-%{RELEASE}\n' $PROGRAMS | grep '^installed'
  else
    tell_unknown "which packages are installed" "$states"
  fi
  if held=$(held_by_dnf 2>&1); then
    tell_held "$held"
  else
    tell_unknown "which packages are held back" "$held"
  fi
}

# Prints the package manager and what it knows; nothing if it is none of these.
tell_packages() {
  tell_manager
  if command -v apt-get > /dev/null; then
    tell_packages_of_apt
  elif command -v dnf > /dev/null; then
    tell_packages_of_dnf
  fi
}
