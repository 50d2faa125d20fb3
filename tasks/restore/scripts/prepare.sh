#!/bin/sh
# Job that fetches and checks a snapshot, and restores it beside a member's data. Nothing is stopped yet. Standard input: the
# store's CA in base64 or `-`, then the address of the snapshot.
#
# Given:  ID             of the attempt
#         RECORD         of the restore, for this node
#         EARLIER        ids of the earlier attempts: their prepared data is removed
#         MARKER         mark of restored data for this restore and these members
#         STORED_SHA256  of the object
#         PLAIN_SHA256   of the snapshot in it
#         ETCDUTL        the command that restores `snapshot.db`, one word a line
#         OWNER          uid:gid of the data
#
# Prints:  etcdutl's output
# Status:  75 if the store does not return it, which may succeed later

. tasks/backup/scripts/store.lib.sh
. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh
. tasks/restore/scripts/clear.lib.sh

set -eu
umask 077

check() { # FILE SHA256
  sum=$(sha256sum < "$1" | cut -d' ' -f1)
  if [ "$sum" != "$2" ]; then
    echo "the $1 object has sha256 $sum, the manifest says $2"
    exit 1
  fi
}

run_etcdutl() {
  set --
  while IFS= read -r word; do
    set -- "$@" "$word"
  done << END
$ETCDUTL
END
  "$@" 2>&1
}

mkdir -p "$RESTORES"
# Removes the data of an interrupted try: it holds the cluster's secrets in plain text.
rm -rf "$WORK"
phase=$(phase_of "$ID")
case "$phase" in
  stopped | swapped | serving)
    echo "prepared before"
    exit
    ;;
esac
write_record "$RECORD"
for attempt in $EARLIER; do
  clear_attempt "$attempt"
done
restored=$(restored_of "$ID")
if [ "$(cat "$restored/ready" 2> /dev/null)" = "$MARKER" ]; then
  set_phase "$ID" prepared
  exit
fi
rm -rf "$restored"
begin_work
read_ca
fetch
check stored "$STORED_SHA256"
zstd -qdc stored > snapshot.db
rm stored
check snapshot.db "$PLAIN_SHA256"
run_etcdutl
chown -R "$OWNER" "$restored"
chmod 700 "$restored"
! command -v restorecon > /dev/null || restorecon -RF "$restored"
printf '%s\n' "$MARKER" > "$restored/ready"
sync -f "$restored"
set_phase "$ID" prepared
