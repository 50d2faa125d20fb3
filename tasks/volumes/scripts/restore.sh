#!/bin/sh
# Restores an archive into a folder that does not exist, or is empty. It becomes visible only when it is whole and as its list says.
# A folder that is as the list says is left as it is: an earlier attempt has restored it. A fuzzy archive differs from its list, so a note
# says it.
# Standard input: the store's CA in base64 or `-`, then the addresses of the list and of the archive.
#
# Given:   FOLDER  the path of the new folder; its parent exists
# Prints:  `different COUNT`: how many lines of the list are not as they are in the folder
# Status:  75 if the store does not return it, which may succeed later; 1 if the folder is not empty, has no room, or the archive is not
#          whole

. tasks/backup/scripts/store.lib.sh
. tasks/volumes/scripts/folder.lib.sh
. tasks/volumes/scripts/streams.lib.sh
. tasks/volumes/scripts/download.lib.sh
. tasks/volumes/scripts/restored.lib.sh

is_restored() {
  compare "$FOLDER"
  is_finished "$FOLDER" || return 1
  echo "different $different"
}

# The parent has to be where its path says: a link may lead to another place.
check_place() {
  parent=$(dirname "$FOLDER")
  if [ ! -d "$parent" ] || [ "$(cd "$parent" && pwd -P)" != "$parent" ]; then
    echo "$parent does not exist, or a symbolic link is on the way"
    exit 1
  fi
  if [ -L "$FOLDER" ] || { [ -e "$FOLDER" ] && [ ! -d "$FOLDER" ]; }; then
    echo "$FOLDER exists, and is no folder"
    exit 1
  fi
  if [ -d "$FOLDER" ]; then
    if [ -n "$(ls -A "$FOLDER")" ]; then
      ! is_restored || exit 0
      echo "$FOLDER is not empty"
      exit 1
    fi
    if [ "$(stat -c %d "$FOLDER")" != "$(stat -c %d "$parent")" ]; then
      echo "$FOLDER is a file system of its own: name it with --path"
      exit 1
    fi
  fi
}

set -eu
umask 077
begin_work
export TMPDIR="$WORK"
trap 'rm -rf --one-file-system "$WORK" "$NEW"' EXIT
read_ca
fetch_list
check_place
rm -rf --one-file-system "$NEW"
check_room "$parent"
mkdir "$NEW"
fetch_into "$NEW"
compare "$NEW"
check_different
check_place
[ ! -d "$FOLDER" ] || rmdir "$FOLDER"
note "$NEW" # before the move, which keeps the inode
mv -T "$NEW" "$FOLDER"
sync -f "$FOLDER"
echo "different $different"
