#!/bin/sh
# Puts the original data back where an attempt has taken its place; what was restored, which is the backup's, goes. Can be run
# again at any point.
#
# The phases go first: a restore that is run again after a rollback that was cut off prepares this node from the start.
#
# Given:  ATTEMPTS  their ids, the oldest first
#
# Prints:  `nothing` where there was no data before, and `attempt FOLDER` for what is left
# Status:  1 where somebody has the data open

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh
. tasks/restore/scripts/clear.lib.sh
. tasks/restore/scripts/no_etcd.lib.sh

set -eu

# The first attempt that has kept something has the original.
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
