#!/bin/sh
# Prints which versions of kubelet and containerd run. Changes nothing.
#
# Prints:  `runs UNIT WORDS`, the version that the process's program prints
# Status:  0

. tasks/nodes/probes/running.lib.sh

tell_what_runs
