#!/bin/sh
# Prints the package manager of a node, and its source files. Changes nothing.
#
# Prints:  lines of a kind and its words, for `sources.py`
# Status:  0

. tasks/nodes/probes/repositories.lib.sh

set -u
tell_manager
