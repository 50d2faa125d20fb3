#!/bin/sh
# apt with lists and preferences of our own: neither a plan nor a patch changes what other tools see.
#
# Given:  PATCHES    the folder that has them
#         PROTECTED  packages that stay as they are
#         SCOPE      `security` for security updates alone

# Before anything else of this file. What is installed stays as it is where nothing better is allowed.
prepare_apt() {
  mkdir -p "$PATCHES/lists/partial" "$PATCHES/cache/archives/partial"
  {
    cat /etc/apt/preferences 2> /dev/null || true
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

# For these packages, from such a release, this priority.
pin() {
  printf '\nPackage: %s\nPin: release %s\nPin-Priority: %s\n' "$1" "$2" "$3"
}

# apt-get that asks nobody, restarts no service, keeps changed files of configuration, and waits for another one's lock.
private() {
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

# All updates that are allowed, and what they need; nothing is removed.
upgrade() {
  private --no-remove --with-new-pkgs "$@" upgrade
}
