#!/bin/sh
# Reads a stored snapshot whole, and says what it is. Standard input: the store's CA in base64 or `-`, then its address.
#
# Prints:  sizes and sums of what is stored and of the snapshot in it, as lines `name value`
# Status:  75 where the store gives it not, which may be tried again

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
