#!/bin/sh
# Sends a file of the node to the store in parts. Standard input: as of take_snapshot.sh.
#
# Given:   FILE  which one
# Prints:  `etag NUMBER ETAG` for each part
# Status:  75 where the store does not take a part, which may be tried again

. tasks/backup/scripts/store.lib.sh
. tasks/backup/scripts/send.lib.sh

set -eu
umask 077
begin_work
read_ca
send "$FILE"
