#!/bin/sh
# Functions for the Kubernetes packages of one version, which are staged in their own folder before they are installed.
#
# Given:  MANAGER       apt or dnf
#         VERSION       of Kubernetes (1.37.2)
#         FOLDER        the folder of the version on this node
#         LOCK_SECONDS  how many seconds to wait for the lock of another package manager

. tasks/nodes/probes/repositories.lib.sh

# Runs apt-get without questions. It keeps configuration files as they are.
apt_get() {
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 \
    apt-get -y -q \
    -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold \
    -o "DPkg::Lock::Timeout=$LOCK_SECONDS" \
    "$@"
}

# Prints the staged files of these packages.
staged_files() {
  for name; do
    case "$MANAGER" in
      apt) ls "$FOLDER/cache/archives/${name}_$VERSION"-*.deb ;;
      dnf) ls "$FOLDER/packages/$name-$VERSION"-*.rpm ;;
    esac
  done
}

# Prints the staged files of their dependencies.
needed_files() {
  for file in "$FOLDER"/cache/archives/*.deb "$FOLDER"/packages/*.rpm; do
    case "${file##*/}" in
      kubeadm[_-]* | kubelet[_-]* | kubectl[_-]*) continue ;;
    esac
    [ ! -e "$file" ] || echo "$file"
  done
}

# Installs files.
install_files() {
  case "$MANAGER" in
    apt) apt_get install --allow-change-held-packages --allow-downgrades --no-remove "$@" ;;
    dnf) dnf -y --disableexcludes=all --setopt=disable_excludes='*' install "$@" ;;
  esac
}

# Prints those of these packages that are held back; a status other than 0 if that is not known.
held_of() {
  case "$MANAGER" in
    apt) apt-mark showhold "$@" ;;
    dnf)
      held=$(held_by_dnf) || return 1
      for name; do
        case " $(echo "$held" | tr '\n' ' ') " in
          *" $name "*) echo "$name" ;;
        esac
      done
      ;;
  esac
}

# Holds packages back.
hold() {
  case "$MANAGER" in
    apt) apt-mark hold "$@" > /dev/null ;;
    dnf) dnf -q versionlock add "$@" > /dev/null ;;
  esac
}

# Installs the staged files of these packages. It restores the holds as they were found, also after an interruption.
install_staged() {
  holds=$FOLDER/holds-$(echo "$*" | tr ' ' -)
  if [ ! -e "$holds" ]; then
    held_of "$@" > "$holds.new" || exit 1
    mv "$holds.new" "$holds"
  fi
  # shellcheck disable=SC2046 # names of files, without spaces
  install_files $(staged_files "$@") $(needed_files)
  if [ -s "$holds" ]; then
    # shellcheck disable=SC2046 # names of packages
    hold $(cat "$holds")
  fi
  rm "$holds"
}
