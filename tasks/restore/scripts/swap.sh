#!/bin/sh
# Puts the restored data in the old one's place, which is kept. Can be run again at any point.
#
# The original is what the first attempt finds; what a later one finds is the data that an earlier one has restored, and is
# kept under another name. A file in place of a folder says that there was no data.
#
# Given:  ID       of the attempt
#         EARLIER  ids of the attempts before this one
#         MARKER   of restored data: for this restore, with these members
#
# Prints:  nothing
# Status:  1 where the restored data is not ready, or somebody has the old one open

. tasks/restore/scripts/record.lib.sh
. tasks/restore/scripts/data.lib.sh
. tasks/restore/scripts/no_etcd.lib.sh

set -eu
restored=$(restored_of "$ID")
original=$(kept_of "$ID")

is_restored() { # FOLDER
  [ "$(cat "$1/ready" 2> /dev/null)" = "$MARKER" ]
}

# From now on what is in the place will be kept here.
keep_in() { # FOLDER
  kept=$1
  # shellcheck disable=SC2174  # what it lies in is there
  [ -z "$IS_MOUNT" ] || mkdir -p -m 700 "$kept"
}

# Where what is in the place will be kept: as the original, unless an earlier attempt has kept that already.
choose_folder() {
  folder=$original
  for attempt in $EARLIER; do
    [ ! -e "$(kept_of "$attempt")$below" ] || folder=$(aside_of "$ID")
  done
  keep_in "$folder"
  # So it is after a rollback that was cut off.
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

case "$(phase_of "$ID")" in
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
# Else it is in its place already, and what is there must stay.
if [ -e "$restored$below" ]; then
  choose_folder
  keep
  mv -T "$restored$below" "$DATA$below"
fi
sync -f "$DATA"
set_phase "$ID" swapped
clean
