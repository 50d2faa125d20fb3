#!/bin/sh
# Downloads what is planned, by apt; changes nothing that is installed. Others than apt download when they install.
#
# Given:  MANAGER  apt, dnf or zypper
# Prints:  what apt says
# Status:  75 where it may be tried again; 1 where something else would be installed than is planned

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/planned.lib.sh

set -eu
umask 022
[ "$MANAGER" = apt ] || exit 0
prepare_apt
compare_with_plan
do_all --download-only || exit 75
