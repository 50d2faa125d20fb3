#!/bin/sh
# Restores an archive into a folder that does not exist, or is empty. It becomes visible only when it is whole and as its list says.
# A folder that is as the list says is left as it is: an earlier attempt has restored it.
# Standard input: the store's CA in base64 or `-`, then the addresses of the list and of the archive.
#
# Given:   FOLDER    the path of the new folder; its parent exists
#          NEW       a folder beside it, for what is not whole yet
#          SHA256    of the archive
#          LIST      sha256 of the list
#          IS_FUZZY  yes if programs wrote while it was read: it may differ from its list
# Prints:  `different COUNT`: how many lines of the list are not as they are in the folder
# Status:  75 if the store does not return it, which may succeed later; 1 if the folder is not empty, or the archive is not whole

. tasks/backup/scripts/store.lib.sh
. tasks/volumes/scripts/folder.lib.sh
. tasks/volumes/scripts/streams.lib.sh
. tasks/volumes/scripts/download.lib.sh

# Compares a folder with the list. Sets `different` to the number of lines that differ.
compare() { # FOLDER
  (
    enter "$1"
    list > "$WORK/found"
  )
  if [ -s unread ]; then
    head -n 5 unread
    exit 1
  fi
  tr "\\n\\000" " \\n" < found | sort > found.lines
  comm -3 expected.lines found.lines > differences
  different=$(wc -l < differences)
}

is_restored() {
  compare "$FOLDER"
  [ "$different" -eq 0 ] || return 1
  echo "different 0"
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
      echo "$FOLDER is a file system of its own: name a folder below it"
      exit 1
    fi
  fi
}

unpack() {
  tar --extract --xattrs --xattrs-include="*" --acls --numeric-owner --same-owner --same-permissions --sparse --directory "$NEW" \
    2> "$WORK/tar.log"
}

# Compares a sum, which the manifest has, with that of what came.
check_sum() { # WHAT EXPECTED FOUND
  if [ "$2" != "$3" ]; then
    echo "$1 is corrupt: its sha256 is $3, the manifest says $2"
    exit 1
  fi
}

set -eu
umask 077
begin_work
trap 'rm -rf --one-file-system "$WORK" "$NEW"' EXIT
read_ca
fetch
check_sum "the list" "$LIST" "$(sha256sum < stored | cut -d" " -f1)"
zstd -q --decompress --stdout stored | tr "\\n\\000" " \\n" | sort > expected.lines
check_place
read -r url
rm -rf --one-file-system "$NEW"
mkdir "$NEW"
watch stored
download "$url" | watched stored | unpacked | noting tar unpack
wait
[ "$(cat curl.status)" -eq 0 ] || exit 75
check_sum "the archive" "$SHA256" "$(cut -d" " -f1 stored.sha256)"
need tar 0
need zstd 0
compare "$NEW"
if [ "$different" -ne 0 ] && [ -z "$IS_FUZZY" ]; then
  head -n 5 differences
  echo "$different lines are not as the list says"
  exit 1
fi
check_place
[ ! -d "$FOLDER" ] || rmdir "$FOLDER"
mv -T "$NEW" "$FOLDER"
sync -f "$FOLDER"
echo "different $different"
