#!/bin/sh
# Repositories of Kubernetes on a node: the files that name one, and copies of them in a folder that name another minor.
#
# Given:  MINOR  how a repository names the minor that it holds, as grep and sed read it

# Prints the files of apt that name a repository of Kubernetes.
apt_files() {
  grep -ls "$MINOR" \
    /etc/apt/sources.list \
    /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources
}

# Prints the files of dnf that name a repository of Kubernetes.
dnf_files() {
  grep -ls "$MINOR" /etc/yum.repos.d/*.repo
}

# Writes copies of apt's files into the folder $1, of the minor $2 alone.
copy_apt_files() {
  mkdir -p "$1/parts" "$1/lists/partial" "$1/cache/archives/partial"
  for file in $(apt_files); do
    case "$file" in
      *.sources) copy=target.sources ;;
      *) copy=target.list ;;
    esac
    grep "$MINOR\|^[A-Z][A-Za-z-]*:\|^ " "$file" |
      sed "s|$MINOR|core:/stable:/v$2|" > "$1/parts/$copy"
  done
}

# Writes a copy of dnf's file into the folder $1, of the minor $2.
copy_dnf_files() {
  mkdir -p "$1/parts"
  for file in $(dnf_files); do
    sed "s|$MINOR|core:/stable:/v$2|; /^exclude=/d" "$file" > "$1/parts/target.repo"
  done
}

# A command of apt with the copies in the folder $1, and with lists and a cache of their own.
with_copies() {
  copies=$1
  shift
  "$@" \
    -o Dir::Etc::SourceList=/dev/null \
    -o "Dir::Etc::SourceParts=$copies/parts" \
    -o "Dir::State::Lists=$copies/lists" \
    -o "Dir::Cache=$copies/cache" \
    -o APT::Sandbox::User=root
}

# Prints the packages that dnf holds back.
held_by_dnf() {
  dnf -q versionlock list 2> /dev/null | sed -n 's/^\([a-z]*\)-[0-9].*/\1/p'
}
