#!/bin/sh
# Functions for repositories of Kubernetes on a node: its source files, and copies of some in our own folder.
# `repositories.py` parses the files and writes the copies.

# Prints the files of sources that apt reads, from wherever its configuration says.
tell_sources_of_apt() {
  list=/etc/apt/sources.list
  parts=/etc/apt/sources.list.d
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  tell_sources "$list" "${parts%/}"/*.list "${parts%/}"/*.sources
}

# Prints the files of sources that dnf reads.
tell_sources_of_dnf() {
  tell_sources /etc/dnf/dnf.conf /etc/yum.repos.d/*.repo /etc/yum/repos.d/*.repo /etc/distro.repos.d/*.repo
}

# Prints the files that exist.
tell_sources() {
  for file; do
    [ ! -s "$file" ] || echo "source_file $(base64 -w0 < "$file") $file"
  done
}

# Prints the package manager, if it is a supported one, and its source files.
tell_manager() {
  if command -v apt-get > /dev/null; then
    echo "manager apt"
    tell_sources_of_apt
  elif command -v dnf > /dev/null; then
    echo "manager dnf"
    tell_sources_of_dnf
  fi
}

# Writes the files of standard input, `NAME TEXT` in base64, into the folder $1, and removes everything else from it.
place_copies() {
  rm -rf "$1"
  mkdir -p "$1"
  while read -r name text; do
    echo "$text" | base64 -d > "$1/$name"
  done
}

# Runs a command of apt with the sources in the folder $1/parts, and with separate lists and a separate cache there.
with_copies() {
  copies=$1
  shift
  mkdir -p "$copies/lists/partial" "$copies/cache/archives/partial"
  "$@" \
    -o Dir::Etc::SourceList=/dev/null \
    -o "Dir::Etc::SourceParts=$copies/parts" \
    -o "Dir::State::Lists=$copies/lists" \
    -o "Dir::Cache=$copies/cache" \
    -o APT::Sandbox::User=root
}

# Prints the indices of packages that apt has of those sources: none if no repository has answered. Warnings of apt are ignored.
indices_in() {
  # shellcheck disable=SC2016 # apt fills these in
  with_copies "$1" apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2> /dev/null
}

# Prints the packages that dnf holds back. A status other than 0 if it has such a list and cannot read it.
held_by_dnf() {
  locked=$(dnf -q versionlock list 2>&1) || {
    [ -s /etc/dnf/plugins/versionlock.list ] || [ -s /etc/dnf/versionlock.toml ] || return 0
    echo "dnf does not say which packages are held back: $locked" >&2
    return 1
  }
  echo "$locked" | sed -n 's/^\([a-zA-Z0-9_.+-]*\)-[0-9]*:\{0,1\}[^-]*-[^-]*$/\1/p; s/^Package name: *//p'
}
