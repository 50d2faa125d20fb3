#!/bin/sh
# Takes a snapshot of this node's member, checks it, compresses it and sends it to the store: no byte of it passes the worker.
# Standard input: the store's CA in base64 or `-`, then an address a line, for each part.
#
# Given:   ROOT      the folder of all such jobs: what one that died has left there goes after a day
#          ETCDCTL   of the member's minor version
#          SERVER    URL of the member
#          CACERT    by which it is known
#          CERT      of a client
#          KEY       of that client
#          REVISION  that is in the snapshot for sure
# Prints:  lines `name value`: what the snapshot is, what is stored, and `etag NUMBER ETAG` for each part
# Status:  75 where the store does not take a part, which may be tried again; 1 where the snapshot is none

. tasks/backup/scripts/store.lib.sh
. tasks/backup/scripts/send.lib.sh

etcdctl() {
  "$ETCDCTL" --cacert "$CACERT" --cert "$CERT" --key "$KEY" --endpoints "$SERVER" "$@"
}

# The first value of a name in etcdctl's JSON.
field() { # NAME
  sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" | head -n 1
}

sum_of_stdin() {
  sha256sum | cut -d' ' -f1
}

# Into snapshot.db. The hash at a revision that is in it for sure is asked meanwhile: later a compaction may have passed it.
save() {
  etcdctl snapshot save snapshot.db > save.log 2>&1 &
  saving=$!
  hashed=$(etcdctl --command-timeout=300s endpoint hashkv --rev="$REVISION" --write-out=json)
  counted=$(etcdctl --command-timeout=60s get "" --prefix --count-only --rev="$REVISION" --consistency=s --write-out=fields)
  if ! wait "$saving"; then
    cat save.log
    exit 1
  fi
  compacted=$(echo "$hashed" | field compact_revision)
  status=$(etcdctl endpoint status --write-out=json)
  echo "hash $(echo "$hashed" | field hash)"
  echo "compact_revision ${compacted:-0}"
  echo "key_count $(echo "$counted" | sed -n 's/^"Count" : //p')"
  echo "newest_revision $(echo "$status" | field revision)"
  echo "storage_version $(echo "$status" | field storageVersion)"
}

# A snapshot is whole pages and the sha256 of them.
check() {
  size=$(stat -c %s snapshot.db)
  if [ $((size % 512)) -ne 32 ]; then
    echo "the snapshot has $size bytes: no whole pages and a trailer"
    exit 1
  fi
  trailer=$(tail -c 32 snapshot.db | od -An -v -tx1 | tr -d ' \n')
  sum=$(head -c -32 snapshot.db | sum_of_stdin)
  if [ "$trailer" != "$sum" ]; then
    echo "the snapshot's sha256 is $sum, its trailer says $trailer"
    exit 1
  fi
  echo "plain_size $size"
  echo "plain_sha256 $(sum_of_stdin < snapshot.db)"
}

# Into snapshot.db.zst.
compress() {
  zstd -q -1 --rm --check snapshot.db
  echo "stored_size $(stat -c %s snapshot.db.zst)"
  echo "stored_sha256 $(sum_of_stdin < snapshot.db.zst)"
}

set -eu
umask 077
find "$ROOT" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} +
begin_work
read_ca
save
check
compress
send snapshot.db.zst
