#!/bin/sh
# Puts the original data back if an attempt has replaced it, and removes the restored data, which the backup still has. It is safe
# to run again at any point.
#
# It removes the phases first: a restore after an interrupted rollback then prepares this node from the start.
#
# Given:  ATTEMPTS  their ids, the oldest first
#
# Prints:  `nothing` if there was no data before, and `attempt FOLDER` for what is left
# Status:  1 if a process has the data open

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh
. tasks/restore/scripts/clear.lib.sh
. tasks/restore/scripts/no_etcd.lib.sh

set -eu

# The first attempt that kept data has the original.
put_back() {
  for attempt in $ATTEMPTS; do
    kept=$(kept_of "$attempt")$below
    if [ -d "$kept" ]; then
      rm -rf "$DATA$below"
      mv -T "$kept" "$DATA$below"
      return
    fi
    if [ -e "$kept" ]; then
      echo nothing
      rm -f "$kept"
      return
    fi
  done
}

remove_empty_folders() {
  for attempt in $ATTEMPTS; do
    rmdir "$(kept_of "$attempt")" "$(aside_of "$attempt")" 2> /dev/null || true
  done
}

require_no_etcd "$DATA/member/snap/db"
for attempt in $ATTEMPTS; do
  rm -f "$RESTORES/$attempt.phase"
done
for attempt in $ATTEMPTS; do
  clear_attempt "$attempt"
done
put_back
[ -z "$IS_MOUNT" ] || remove_empty_folders
for attempt in $ATTEMPTS; do
  aside=$(aside_of "$attempt")
  [ ! -d "$aside" ] || echo "attempt $aside"
done
[ ! -e "$DATA" ] || sync -f "$DATA"
