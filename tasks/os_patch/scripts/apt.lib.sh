#!/bin/sh
# Runs apt with our own lists and preferences, so that no plan and no patch changes what other tools see.
#
# Given:  PATCHES    the folder with them
#         PROTECTED  packages that stay as they are
#         SCOPE      `security` for security updates only

# Call this before the other functions of this file. An installed package stays as it is unless a better version is allowed.
prepare_apt() {
  mkdir -p "$PATCHES/lists/partial" "$PATCHES/cache/archives/partial"
  {
    [ ! -e /etc/apt/preferences ] || cat /etc/apt/preferences || exit 1
    pin "$PROTECTED" a=now 100
    pin "$PROTECTED" '*' -1
    if [ "$SCOPE" = security ]; then
      pin '*' a=now 100
      pin '*' 'a=*-security' 500
      pin '*' 'l=*-Security' 500
      pin '*' '*' 50
    fi
  } > "$PATCHES/preferences"
}

# Pins packages of a release to a priority.
pin() {
  printf '\nPackage: %s\nPin: release %s\nPin-Priority: %s\n' "$1" "$2" "$3"
}

# Runs apt-get without questions. It restarts no service, keeps changed configuration files, and waits for the lock.
private() {
  LC_ALL=C \
    DEBIAN_FRONTEND=noninteractive \
    APT_LISTCHANGES_FRONTEND=none \
    UCF_FORCE_CONFFOLD=1 \
    NEEDRESTART_SUSPEND=1 \
    NEEDRESTART_MODE=l \
    apt-get -y -q \
    -o Dir::State::Lists="$PATCHES/lists" \
    -o Dir::Cache="$PATCHES/cache" \
    -o Dir::Etc::Preferences="$PATCHES/preferences" \
    -o APT::Sandbox::User=root \
    -o Acquire::Retries=2 \
    -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold \
    "$@"
}

# Installs all allowed updates and their dependencies. It removes nothing.
upgrade() {
  private --no-remove --with-new-pkgs "$@" upgrade
}
