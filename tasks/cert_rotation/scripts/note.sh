#!/bin/sh
# Writes into the record that a rotation has come to another phase.
#
# Prints:  nothing
# Status:  another one than 0 where the file cannot be written

. tasks/cert_rotation/scripts/record.lib.sh

set -eu
umask 077
write_record
