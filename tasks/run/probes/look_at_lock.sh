#!/bin/sh
# Who has the lock of this node. Changes nothing.
#
# Prints:  `free`, or the mark of the last renewal and then the file
# Status:  another one than 0 where the file cannot be read: it is not free

. tasks/run/scripts/lock.lib.sh

set -eu
tell
