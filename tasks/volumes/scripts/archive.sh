#!/bin/sh
# Archives the folder of a volume, and sends it to the store while it is read. No byte of it passes through the worker.
# Standard input: the store's CA in base64 or `-`, an address a line for each part of the list, a line `-`, then those for the archive.
#
# Given:   FOLDER      the path of the volume
#          BOOT        id of the boot in which the folder was looked at
#          WHILE_USED  yes if programs may write while it is read
# Prints:  lines `name value`: what the folder has, what is left out, sizes and sums of the list, the archive (stored) and the tar in it
#          (plain); `still` says whether nothing was written meanwhile; `etag NUMBER ETAG` for each part, first of the list, then after
#          the line `archive`
# Status:  75 if the store does not accept a part, which may succeed later; 1 if not everything can be read

. tasks/backup/scripts/store.lib.sh
. tasks/backup/scripts/send.lib.sh
. tasks/volumes/scripts/folder.lib.sh
. tasks/volumes/scripts/streams.lib.sh

# Ends the script if anything could not be read. While programs write, a file may be gone before it is read.
check_read() {
  if [ -s "$WORK/unread" ] && [ -z "$WHILE_USED" ]; then
    head -n 5 "$WORK/unread"
    echo "not everything in $FOLDER can be read"
    exit 1
  fi
}

pack() {
  tar --create --format=posix --xattrs --xattrs-include="*" --acls --numeric-owner --sparse --one-file-system . 2> "$WORK/tar.log"
}

set -eu
umask 077
if [ "$(cat /proc/sys/kernel/random/boot_id)" != "$BOOT" ]; then
  echo "this node was started again since its folder was looked at, or another node has its address"
  exit 1
fi
begin_work
export TMPDIR="$WORK"
read_ca
exec 4<&0
(
  enter "$FOLDER"
  fingerprint > "$WORK/before"
  list > "$WORK/list" || echo "the list is not whole" >> "$WORK/unread"
  left_out
  echo "filesystem $(stat -f -c %T .)"
)
check_read
echo "files $(tr "\\000\\n" "\\n " < list | grep -c "^f " || [ $? -eq 1 ])"
echo "entries $(tr "\\000\\n" "\\n " < list | grep -c "^. ")"
zstd -q --check list
echo "list_size $(stat -c %s list.zst)"
echo "list_sha256 $(sha256sum < list.zst | cut -d" " -f1)"
send list.zst
while read -r url && [ "$url" != - ]; do :; done
echo archive
watch plain
watch stored
(
  enter "$FOLDER"
  noting tar pack
) | watched plain | noting zstd zstd -q -1 --check --stdout | watched stored | send_stream
wait
need tar 0 1
need zstd 0
tell plain
tell stored
(
  enter "$FOLDER"
  fingerprint > "$WORK/after"
)
check_read
still=no
! cmp -s before after || [ "$(cat tar.status)" -ne 0 ] || still=yes
echo "still $still"
