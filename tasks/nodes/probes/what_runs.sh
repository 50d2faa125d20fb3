#!/bin/sh
# Which versions of kubelet and containerd run. Changes nothing.
#
# Prints:  `runs UNIT WORDS`, what the program of the process says of its version
# Status:  0

. tasks/nodes/probes/running.lib.sh

tell_what_runs
