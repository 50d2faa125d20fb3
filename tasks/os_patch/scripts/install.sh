#!/bin/sh
# Installs what is planned and nothing else, and then writes down with which boot it did.
#
# Given:  MANAGER  apt, dnf or zypper
#         REPAIR   `yes` to end first what dpkg was cut off in
# Prints:  what the package manager says
# Status:  75 where it may be tried again; another one than 0 where not all is installed

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/planned.lib.sh
. tasks/os_patch/scripts/dnf.lib.sh

install_by_apt() {
  prepare_apt
  [ -z "$REPAIR" ] || repair
  compare_with_plan
  # shellcheck disable=SC2119 # without an option of apt's
  do_all || exit 1
  private clean || true
}

# Ends what dpkg was cut off in. A package that was being unpacked has to be unpacked again, which it leaves to apt.
repair() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 dpkg --force-confdef --force-confold --configure -a \
    || echo 'not all of them could be configured: what is left is installed anew'
}

# It ends with 102 or 103 where a reboot, or a restart of itself, is suggested.
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
