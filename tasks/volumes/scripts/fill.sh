#!/bin/sh
# Restores an archive into an existing folder, which is empty and may be a mount point. What is not whole yet is in a folder in it. When
# that is as the list says, its entries are moved out of it. A killed attempt is gone on with: the file `whole` says how far it was.
# Standard input: the store's CA in base64 or `-`, then the addresses of the list and of the archive.
#
# Given:   FOLDER  the path of the folder
# Prints:  `different COUNT`: how many lines of the list are not as they are in the folder
# Status:  75 if the store does not return it, which may succeed later; 1 if the folder is not empty, has no room, or the archive is not
#          whole

. tasks/backup/scripts/store.lib.sh
. tasks/volumes/scripts/folder.lib.sh
. tasks/volumes/scripts/streams.lib.sh
. tasks/volumes/scripts/download.lib.sh
. tasks/volumes/scripts/restored.lib.sh

# Compares a folder as `compare` does, without the lost+found that a new file system has anyway.
compare_all() { # [names]
  compare "$FOLDER" "$@"
  if ! grep -aq "^d .* lost+found \$" expected.lines; then
    without "d [0-7]* [0-9]* [0-9]* - [-0-9.]* lost+found "
  fi
}

# Leaves out lines that differ. `comm` puts a tab before those of the folder.
without() { # LINE
  grep -av "^[[:blank:]]*$1\$" differences > others || [ $? -eq 1 ]
  mv others differences
  different=$(wc -l < differences)
}

# Gives the folder its own owner, mode and time. They are in the list, and the time changes with each entry that comes or goes.
settle() {
  sed -n "s/^d \([0-7]*\) \([0-9]*\) \([0-9]*\) - \([-0-9.]*\)  \$/\1 \2 \3 \4/p" expected.lines > top
  read -r mode owner group time < top
  chown "$owner:$group" "$FOLDER"
  chmod "0000$mode" "$FOLDER" # GNU chmod clears the bits of setuid and setgid only with five digits
  touch -d "@$time" "$FOLDER"
}

# Checks whether an earlier attempt has finished. It may have been killed before it gave the folder its own time.
is_restored() {
  if [ -d "$NEW" ] && [ -z "$(ls -A "$NEW")" ]; then
    rmdir "$NEW"
  fi
  compare_all
  without "d [0-7]* [0-9]* [0-9]* - [-0-9.]*  "
  is_finished "$FOLDER" || return 1
  settle
}

# Moves what is whole out of its folder. An ACL and extended attributes of the folder itself come by tar.
move() {
  if [ -d "$NEW/data/lost+found" ] && [ -d "$FOLDER/lost+found" ]; then
    rmdir "$FOLDER/lost+found"
  fi
  find "$NEW/data" -mindepth 1 -maxdepth 1 -exec mv -n -t "$FOLDER" -- {} +
  if [ -n "$(ls -A "$NEW/data")" ]; then
    echo "$FOLDER got entries of the same names meanwhile: $NEW/data has what was not moved"
    exit 1
  fi
  tar --create --format=posix --xattrs --xattrs-include="*" --acls --numeric-owner --no-recursion --directory "$NEW/data" . > top.tar
  unpack "$FOLDER" < top.tar
  sync -f "$FOLDER"
  rmdir "$NEW/data"
}

set -eu
umask 077
begin_work
export TMPDIR="$WORK"
read_ca
fetch_list
if [ ! -d "$FOLDER" ] || [ "$(cd "$FOLDER" && pwd -P)" != "$FOLDER" ]; then
  echo "$FOLDER is no folder, or a symbolic link is on the way"
  exit 1
fi
depth=list
if [ ! -e "$NEW/whole" ]; then
  if [ -n "$(first_entry "$FOLDER")" ]; then
    if is_restored; then
      echo "different $different"
      exit 0
    fi
    echo "$FOLDER is not empty: it has $(first_entry "$FOLDER")"
    exit 1
  fi
  trap 'rm -rf --one-file-system "$WORK" "$NEW"' EXIT
  rm -rf --one-file-system "$NEW"
  check_room "$FOLDER"
  mkdir "$NEW" "$NEW/data"
  fetch_into "$NEW/data"
  compare "$NEW/data"
  check_different
  count=$different depth=names
  sync -f "$NEW"
  trap 'rm -rf "$WORK"' EXIT
  touch "$NEW/whole"
fi
[ ! -d "$NEW/data" ] || move
note "$FOLDER"
rm -f "$NEW/whole"
rmdir "$NEW"
settle
compare_all $depth
check_different
sync -f "$FOLDER"
echo "different ${count:-$different}"
