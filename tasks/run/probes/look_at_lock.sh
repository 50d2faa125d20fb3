#!/bin/sh
# Prints who has the lock of this node. Changes nothing.
#
# Prints:  `free`, or the mark of the last renewal and then the file
# Status:  not 0 if the file cannot be read; then the lock is not free

. tasks/run/scripts/lock.lib.sh

set -eu
tell
