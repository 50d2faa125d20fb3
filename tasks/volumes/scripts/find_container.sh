#!/bin/sh
# Checks whether a container runs on this node. Changes nothing.
#
# Prints:  `running` or `gone`
# Status:  not 0 if the container runtime does not answer

. tasks/volumes/scripts/container.lib.sh

set -eu
if is_running; then
  echo running
else
  echo gone
fi
