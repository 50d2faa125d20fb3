#!/bin/sh
# The job that fetches, checks and restores a snapshot beside a member's data; nothing is stopped yet. Standard input: the
# store's CA in base64 or `-`, then the address of the snapshot.
#
# Given:  ID             of the attempt
#         RECORD         of the restore, for this node
#         EARLIER        ids of the attempts before this one: what they have prepared goes
#         MARKER         of restored data: for this restore, with these members
#         STORED_SHA256  of the object
#         PLAIN_SHA256   of the snapshot in it
#         ETCDUTL        the command that restores `snapshot.db`, one word a line
#         OWNER          uid:gid of the data
#
# Prints:  what etcdutl says
# Status:  75 where the store gives it not, which may be tried again

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
case "$(phase_of "$ID")" in
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
