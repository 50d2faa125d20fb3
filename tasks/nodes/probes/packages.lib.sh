#!/bin/sh
# What the package manager of a node knows of Kubernetes: what is installed and held back, and what could be installed.
#
# Given:  PROGRAMS     packages of Kubernetes
#         TARGET       the minor whose repository is asked (1.37); empty for none
#         ASK_SECONDS  that it may take

. tasks/nodes/probes/repositories.lib.sh

# Prints the minor that each of the files on standard input names, without the comments in it that look like $1.
tell_repositories() {
  while read -r file; do
    grep -v "$1" "$file" | grep -o "$MINOR" | head -n 1 | sed "s|.*/v|repository $file |"
  done
}

# Prints why the repository of the target could not be asked: the end of what was said.
tell_problem() {
  echo "repository_problem $(echo "$1" | tail -n 2 | tr '\n' ' ')"
}

# A command of apt that asks the repositories of the target; not for long.
ask_apt() {
  with_copies "$work" timeout "$ASK_SECONDS" "$@" -o Acquire::Retries=0 -o Acquire::http::Timeout=10
}

# Prints what apt knows, and what it could install of the target.
tell_packages_of_apt() {
  echo "manager apt"
  # shellcheck disable=SC2016,SC2086 # fields of dpkg-query; words
  dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' $PROGRAMS 2> /dev/null |
    while read -r name version state; do
      case "$state" in
        ?i*) echo "installed $name $version" ;;
      esac
    done
  # shellcheck disable=SC2086 # words
  for name in $(apt-mark showhold $PROGRAMS 2> /dev/null); do
    echo "held $name"
  done
  # shellcheck disable=SC2016 # fields of dpkg-query
  dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' | sed -n 's/^.[UHFWt].*|/broken /p'
  apt_files | tell_repositories '^[ \t]*#'
  [ -z "$TARGET" ] || tell_candidates_of_apt
}

# Prints which versions apt could install.
tell_candidates_of_apt() {
  copy_apt_files "$work" "$TARGET"
  if said=$(ask_apt apt-get -qq update 2>&1) && ! echo "$said" | grep -q '^[EW]:'; then
    # shellcheck disable=SC2086 # words
    ask_apt apt-cache madison $PROGRAMS | sed 's/ //g' | tell_versions
  else
    tell_problem "$said"
  fi
}

# Prints the versions of `apt-cache madison`, from standard input.
tell_versions() {
  while IFS='|' read -r name version _; do
    echo "candidate $name $version"
  done
}

# Prints what dnf knows, and what it could install of the target.
tell_packages_of_dnf() {
  echo "manager dnf"
  # shellcheck disable=SC2086 # words
  rpm -q --qf 'installed %{NAME} %{VERSION}-%{RELEASE}\n' $PROGRAMS 2> /dev/null | grep '^installed'
  for name in $(held_by_dnf); do
    echo "held $name"
  done
  dnf_files | tell_repositories '^#'
  [ -z "$TARGET" ] || tell_candidates_of_dnf
}

# Prints which versions dnf could install.
tell_candidates_of_dnf() {
  copy_dnf_files "$work" "$TARGET"
  # shellcheck disable=SC2086 # words
  if said=$(timeout "$ASK_SECONDS" dnf -q --setopt=reposdir="$work/parts" --setopt=cachedir="$work/cache" \
    --showduplicates list --available $PROGRAMS 2>&1); then
    echo "$said" | sed -n 's/^\([a-z]*\)\.[a-z0-9_]* *\([^ ]*\).*/candidate \1 \2/p'
  else
    tell_problem "$said"
  fi
}

# Prints the package manager and what it knows; nothing where there is none that is known here.
tell_packages() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  if command -v apt-get > /dev/null; then
    tell_packages_of_apt
  elif command -v dnf > /dev/null; then
    tell_packages_of_dnf
  fi
}
