#!/bin/sh
# Replaces the data with the restored data, and keeps the old data. It is safe to run again at any point.
#
# The first attempt finds the original data. A later attempt finds data that an earlier one restored, and keeps it under another
# name. A file in place of a folder means that there was no data.
#
# Given:  ID       of the attempt
#         EARLIER  ids of the earlier attempts
#         MARKER   mark of restored data for this restore and these members
#
# Prints:  nothing
# Status:  1 if the restored data is not ready, or a process has the old data open

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh
. tasks/restore/scripts/no_etcd.lib.sh

set -eu
restored=$(restored_of "$ID")
original=$(kept_of "$ID")

is_restored() { # FOLDER
  [ "$(cat "$1/ready" 2> /dev/null)" = "$MARKER" ]
}

# From now on the data in place is kept here.
keep_in() { # FOLDER
  kept=$1
  # shellcheck disable=SC2174  # what it lies in is there
  [ -z "$IS_MOUNT" ] || mkdir -p -m 700 "$kept"
}

# Prints where the data in place is kept: as the original, unless an earlier attempt has kept that already.
choose_folder() {
  folder=$original
  for attempt in $EARLIER; do
    [ ! -e "$(kept_of "$attempt")$below" ] || folder=$(aside_of "$ID")
  done
  keep_in "$folder"
  # This is the state after an interrupted rollback.
  if [ -e "$DATA$below" ] && [ -e "$kept$below" ]; then
    keep_in "$(aside_of "$ID")"
  fi
}

keep() {
  if [ -e "$DATA$below" ] && [ -e "$kept$below" ]; then
    rm -rf "$DATA$below"
  elif [ -e "$DATA$below" ]; then
    mv -T "$DATA$below" "$kept$below"
  elif [ "$kept" = "$original" ] && [ ! -e "$kept$below" ]; then
    touch "$kept$below"
  fi
}

clean() {
  rm -rf "$restored" "$DATA/ready"
}

phase=$(phase_of "$ID")
case "$phase" in
  swapped | serving)
    clean
    exit
    ;;
esac
require_no_etcd "$DATA/member/snap/db"
if ! is_restored "$restored" && ! is_restored "$DATA"; then
  echo "the new data is not ready" >&2
  exit 1
fi
# Otherwise it is in place already, and the data there must stay.
if [ -e "$restored$below" ]; then
  choose_folder
  keep
  mv -T "$restored$below" "$DATA$below"
fi
sync -f "$DATA"
set_phase "$ID" swapped
clean
