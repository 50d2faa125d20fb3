#!/bin/sh
# Takes a snapshot of this node's member, checks it, compresses it and sends it to the store. No byte of it passes through the worker.
# Standard input: the store's CA in base64 or `-`, then one address a line, for each part.
#
# Given:   ROOT      the folder of all such jobs; what an interrupted job left there is removed after a day
#          ETCDCTL   of the member's minor version
#          SERVER    URL of the member
#          CACERT    the CA of the member's certificate
#          CERT      the certificate of a client
#          KEY       the key of that client
#          REVISION  a revision that is certainly in the snapshot
#          LIMIT     of the saving, for example 3600s; without a limit it waits forever for a missing member
# Prints:  lines `name value`: etcdctl's answers in base64 (hashkv, counted, status), what is stored, and `etag NUMBER ETAG` for each part
# Status:  75 if the store does not accept a part, which may succeed later; 1 if the snapshot is not valid

. tasks/backup/scripts/store.lib.sh
. tasks/backup/scripts/send.lib.sh

etcdctl() {
  "$ETCDCTL" --cacert "$CACERT" --cert "$CERT" --key "$KEY" --endpoints "$SERVER" "$@"
}

encoded() {
  base64 -w0
}

sum_of_stdin() {
  sha256sum | cut -d' ' -f1
}

# Saves to snapshot.db. Meanwhile it asks for the hash at a revision that is certainly in it: later a compaction may have passed that.
save() {
  etcdctl --command-timeout="$LIMIT" snapshot save snapshot.db > save.log 2>&1 &
  saving=$!
  hashed=$(etcdctl --command-timeout=300s endpoint hashkv --rev="$REVISION" --write-out=json)
  counted=$(etcdctl --command-timeout=60s get "" --prefix --count-only --rev="$REVISION" --consistency=s --write-out=fields)
  if ! wait "$saving"; then
    cat save.log
    exit 1
  fi
  status=$(etcdctl endpoint status --write-out=json)
  echo "hashkv $(printf '%s' "$hashed" | encoded)"
  echo "counted $(printf '%s' "$counted" | encoded)"
  echo "status $(printf '%s' "$status" | encoded)"
}

# A snapshot consists of whole pages and their sha256.
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

# Compresses into snapshot.db.zst.
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
