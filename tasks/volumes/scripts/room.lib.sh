#!/bin/sh
# Functions about a folder that gets an archive: its room, and what is in it.
#
# Given:  NEW           the folder for what is not whole yet: beside the folder, or in it
#         NOTE          the file that says which archive was restored there
#         SHA256        of the archive
#         SYSTEM        folders of the node itself; the file systems that have them keep a part free, or kubelet evicts pods
#         KEEP          percent of the bytes that those keep free
#         KEEP_ENTRIES  percent of the inodes that those keep free

# Whether the file system of a folder has one of the folders of the node itself.
is_of_the_node() { # FOLDER
  for one in $SYSTEM; do
    if [ -e "$one" ] && { [ "$(stat -c %d "$one")" = "$(stat -c %d "$1")" ] ||
      [ "$(df --output=source "$one" | tail -n 1)" = "$(df --output=source "$1" | tail -n 1)" ]; }; then
      return 0
    fi
  done
  return 1
}

# Sets `free`, and what may be written below a folder: `spare` (bytes) and `spare_entries` (inodes, `-` without a limit).
# shellcheck disable=SC2034  # read by who sources it
room() { # FOLDER
  read -r free size free_entries all_entries << END
$(df -B1 --output=avail,size,iavail,itotal "$1" | tail -n 1)
END
  kept=0 kept_entries=0
  if is_of_the_node "$1"; then
    kept=$KEEP kept_entries=$KEEP_ENTRIES
  fi
  spare=$((free - size * kept / 100))
  spare_entries=-
  case "$all_entries" in
    0 | *[!0-9]*) ;;
    *) spare_entries=$((free_entries - all_entries * kept_entries / 100)) ;;
  esac
}

# Prints the first entry of a folder. An empty lost+found is none: each new ext4 has one. What an attempt left in it is none either.
first_entry() { # FOLDER
  (cd "$1" && find . -mindepth 1 -maxdepth 2 ! \( -path ./lost+found -type d \) ! -path "./${NEW##*/}" ! -path "./${NEW##*/}/*" \
    -printf "%P" -quit)
}

# Prints what the note says: the archive, and by inode and time of birth the folder that got it. Another folder of that path is not meant.
note_of() { # FOLDER
  echo "$SHA256 $(stat -c "%i %W" "$1")"
}

# Whether an earlier attempt has restored this archive into that very folder.
is_noted() { # FOLDER
  [ -e "$NOTE" ] && [ "$(cat "$NOTE")" = "$(note_of "$1")" ]
}
