#!/bin/sh
# Functions about a folder that gets an archive: its room, and what is in it.
#
# Given:  NEW           the folder for what is not whole yet: beside the folder, or in it
#         NOTE          the file that says which archive was restored there
#         SHA256        of the archive
#         WATCHED       a line for each folder of the node itself, whose file system keeps a part free, or kubelet evicts pods: percent of
#                       its bytes, bytes, percent of its inodes, inodes, and the folder. The larger one counts

# Whether two folders are on one file system. A link is followed.
are_together() { # FOLDER FOLDER
  [ -e "$1" ] && { [ "$(stat -L -c %d "$1")" = "$(stat -L -c %d "$2")" ] ||
    [ "$(df --output=source "$1" | tail -n 1)" = "$(df --output=source "$2" | tail -n 1)" ]; }
}

# Prints the largest of some numbers.
largest() { # NUMBER...
  printf "%s\n" "$@" | sort -n | tail -n 1
}

# Sets `free`, what may be written below a folder: `spare` (bytes) and `spare_entries` (inodes, `-` without a limit), and `is_watched` to
# yes if the node keeps a part of its file system free.
# shellcheck disable=SC2034  # read by who sources it
room() { # FOLDER
  read -r free size free_entries all_entries << END
$(df -B1 --output=avail,size,iavail,itotal "$1" | tail -n 1)
END
  case "$all_entries" in
    "" | *[!0-9]*) all_entries=0 ;;
  esac
  kept=0 kept_entries=0 is_watched=
  while read -r percent bytes inodes_percent inodes one; do
    if are_together "$one" "$1"; then
      is_watched=yes
      kept=$(largest "$kept" "$((size * percent / 100))" "$bytes")
      kept_entries=$(largest "$kept_entries" "$((all_entries * inodes_percent / 100))" "$inodes")
    fi
  done << END
$WATCHED
END
  spare=$((free - kept)) spare_entries=-
  [ "$all_entries" -eq 0 ] || spare_entries=$((free_entries - kept_entries))
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
