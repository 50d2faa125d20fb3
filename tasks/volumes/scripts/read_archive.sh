#!/bin/sh
# Reads a list and an archive back from the store, and prints their sizes and sums. Nothing of the archive is written to a disk.
# Standard input: the store's CA in base64 or `-`, then the addresses of the list and of the archive.
#
# Prints:  sizes and sums of the list, of the archive (stored) and of the tar in it (plain), as lines `name value`
# Status:  75 if the store does not return it, which may succeed later

. tasks/backup/scripts/store.lib.sh
. tasks/volumes/scripts/streams.lib.sh
. tasks/volumes/scripts/download.lib.sh

set -eu
umask 077
begin_work
read_ca
fetch
echo "list_size $(stat -c %s stored)"
echo "list_sha256 $(sha256sum < stored | cut -d" " -f1)"
read -r url
watch plain
watch stored
download "$url" | watched stored | unpacked | watched plain > /dev/null
wait
[ "$(cat curl.status)" -eq 0 ] || exit 75
tell stored
tell plain
