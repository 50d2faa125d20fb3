#!/bin/sh
# Installs the planned packages and nothing else. Then it records the boot id at which it did so.
#
# Given:  MANAGER  apt, dnf or zypper
#         REPAIR   `yes` to finish an interrupted dpkg run first
# Prints:  the output of the package manager
# Status:  75 if another try may succeed; not 0 if not all is installed

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/planned.lib.sh
. tasks/os_patch/scripts/dnf.lib.sh

install_by_apt() {
  prepare_apt
  [ -z "$REPAIR" ] || repair
  compare_with_plan
  # shellcheck disable=SC2119 # no options for apt
  do_all || exit 1
  private clean || true
}

# Finishes an interrupted dpkg run. A package that was being unpacked must be unpacked again; that is left to apt.
repair() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 dpkg --force-confdef --force-confold --configure -a \
    || echo 'not all packages could be configured: apt installs the others again'
}

# zypper exits with 102 or 103 if it suggests a reboot or a restart of itself.
install_by_zypper() {
  names=$(printf '%s\n' "$PLANNED" | tr ' ' '=')
  status=0
  # shellcheck disable=SC2086 # words
  ZYPP_LOCK_TIMEOUT=600 zypper --non-interactive --no-refresh install --no-recommends $names || status=$?
  case $status in
    0 | 102 | 103) ;;
    *) exit "$status" ;;
  esac
}

set -eu
umask 022
case $MANAGER in
  apt) install_by_apt ;;
  dnf) upgrade_by_dnf -y ;;
  zypper) install_by_zypper ;;
  *)
    echo 'there is no package manager'
    exit 1
    ;;
esac
this_boot > "$PATCHES/patched.new"
place patched
sync "$PATCHES"
