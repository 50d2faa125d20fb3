#!/bin/sh
# Sends a file of the node to the store in parts. Standard input: as for take_snapshot.sh.
#
# Given:   FILE  the file
# Prints:  `etag NUMBER ETAG` for each part
# Status:  75 if the store does not accept a part, which may succeed later

. tasks/backup/scripts/store.lib.sh
. tasks/backup/scripts/send.lib.sh

set -eu
umask 077
begin_work
read_ca
send "$FILE"
