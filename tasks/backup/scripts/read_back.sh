#!/bin/sh
# Reads a whole stored snapshot, and prints its sizes and sums. Standard input: the store's CA in base64 or `-`, then its address.
#
# Prints:  sizes and sums of what is stored and of the snapshot in it, as lines `name value`
# Status:  75 if the store does not return it, which may succeed later

. tasks/backup/scripts/store.lib.sh

set -eu
umask 077
begin_work
read_ca
fetch
echo "stored_size $(stat -c %s stored)"
echo "stored_sha256 $(sha256sum < stored | cut -d' ' -f1)"
zstd -qdc stored > plain
echo "plain_size $(stat -c %s plain)"
echo "plain_sha256 $(sha256sum < plain | cut -d' ' -f1)"
