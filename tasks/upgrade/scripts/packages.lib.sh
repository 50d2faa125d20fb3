#!/bin/sh
# Packages of Kubernetes of one version, which lie in a folder of their own until they are installed.
#
# Given:  MANAGER       apt or dnf
#         VERSION       of Kubernetes (1.37.2)
#         TARGET        its minor (1.37)
#         FOLDER        of the version, on this node
#         LOCK_SECONDS  that another package manager may take

. tasks/nodes/probes/repositories.lib.sh

# apt without a question to anybody; it keeps configuration files as they are.
apt_get() {
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 \
    apt-get -y -q \
    -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold \
    -o "DPkg::Lock::Timeout=$LOCK_SECONDS" \
    "$@"
}

# Prints the node's files that name a repository of Kubernetes.
repository_files() {
  case "$MANAGER" in
    apt) apt_files ;;
    dnf) dnf_files ;;
  esac
}

# Has those files name the minor; once they do, nothing is done.
switch_repository() {
  for file in $(repository_files); do
    sed "s|$MINOR|core:/stable:/v$TARGET|g" "$file" > "$file.kube-runbooks"
    if cmp -s "$file" "$file.kube-runbooks"; then
      rm "$file.kube-runbooks"
    else
      chmod --reference="$file" "$file.kube-runbooks"
      mv "$file.kube-runbooks" "$file"
    fi
  done
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

# Prints the staged files of what those packages need.
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

# Prints those of these packages that are held back.
held_of() {
  case "$MANAGER" in
    apt) apt-mark showhold "$@" ;;
    dnf)
      for held in $(held_by_dnf); do
        for name; do
          [ "$name" != "$held" ] || echo "$name"
        done
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

# Installs what was staged of these packages. The holds are as they were found, also when it was cut off in between.
install_staged() {
  holds=$FOLDER/holds-$(echo "$*" | tr ' ' -)
  if [ ! -e "$holds" ]; then
    held_of "$@" > "$holds.new"
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
