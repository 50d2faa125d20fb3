#!/bin/sh
# Downloads the planned packages with apt, and changes nothing that is installed. Other package managers download when they install.
#
# Given:  MANAGER  apt, dnf or zypper
# Prints:  the output of apt
# Status:  75 if another try may succeed; 1 if apt would install something that is not planned

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/planned.lib.sh

set -eu
umask 022
[ "$MANAGER" = apt ] || exit 0
prepare_apt
compare_with_plan
do_all --download-only || exit 75
