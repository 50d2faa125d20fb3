#!/bin/sh
# What a proof looks at: no package manager is asked what it would do. Changes nothing but a list of our own.
#
# Prints:  one fact a line, by its first word (`facts.py` reads them)
# Status:  0

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/probes/boot_menu.lib.sh
. tasks/os_patch/probes/state.lib.sh

set -u
tell_state
true
