#!/bin/sh
# Records that a rotation has reached another phase.
#
# Prints:  nothing
# Status:  not 0 if the file cannot be written

. tasks/cert_rotation/scripts/record.lib.sh

set -eu
umask 077
write_record
