#!/bin/sh
# Functions that restore an archive into a folder, and compare it with its list. After `begin_work` and `read_ca`.
#
# Given:  WORK      the folder of the job
#         LIST      sha256 of the list
#         IS_FUZZY  yes if programs wrote while it was read: it may differ from its list
#         NEEDED    bytes that the archive needs
#         ENTRIES   inodes that the archive needs

. tasks/volumes/scripts/room.lib.sh

# Compares a sum, which the manifest has, with that of what came.
check_sum() { # WHAT EXPECTED FOUND
  if [ "$2" != "$3" ]; then
    echo "$1 is corrupt: its sha256 is $3, the manifest says $2"
    exit 1
  fi
}

# Lines as programs for text read them: a line end in a name becomes a space.
in_lines() {
  tr "\\n\\000" " \\n"
}

# Downloads the list into the file `expected.lines`.
fetch_list() {
  fetch
  check_sum "the list" "$LIST" "$(sha256sum < stored | cut -d" " -f1)"
  zstd -q --decompress --stdout stored | in_lines | sort > expected.lines
}

# Downloads the archive, and unpacks it into a folder.
fetch_into() { # FOLDER
  read -r url
  watch stored
  download "$url" | watched stored | unpacked | noting tar unpack "$1"
  wait
  [ "$(cat curl.status)" -eq 0 ] || exit 75
  check_sum "the archive" "$SHA256" "$(cut -d" " -f1 stored.sha256)"
  need tar 0
  need zstd 0
}

unpack() { # FOLDER
  tar --extract --xattrs --xattrs-include="*" --acls --numeric-owner --same-owner --same-permissions --sparse --directory "$1" \
    2> "$WORK/tar.log"
}

# Compares a folder with the list; with `names`, without the sums of its files. Sets `different` to the number of lines that differ; they
# are in the file `differences`.
compare() { # FOLDER [names]
  (
    enter "$1"
    "${2:-list}" > "$WORK/found"
  )
  if [ -s unread ]; then
    head -n 5 unread
    exit 1
  fi
  in_lines < found | sort > found.lines
  if [ "${2:-list}" = names ]; then
    sed -n "/^. /p" expected.lines > wanted.lines
  else
    cp expected.lines wanted.lines
  fi
  comm -3 wanted.lines found.lines > differences
  different=$(wc -l < differences)
}

# Notes that a folder got the archive.
note() { # FOLDER
  mkdir -p "${NOTE%/*}"
  note_of "$1" > "$NOTE"
  sync "$NOTE"
}

# Whether an earlier attempt has finished: by the list, or by the note if programs wrote while the archive was made.
is_finished() { # FOLDER
  [ "$different" -eq 0 ] || { [ -n "$IS_FUZZY" ] && is_noted "$1"; }
}

# Ends the script if the files are not as the list says. Programs wrote while a fuzzy archive was made.
check_different() {
  if [ "$different" -ne 0 ] && [ -z "$IS_FUZZY" ]; then
    head -n 5 differences
    echo "$different lines are not as the list says"
    exit 1
  fi
}

# Ends the script if an archive has no room.
check_room() { # FOLDER
  room "$1"
  if [ "$spare" -lt "$NEEDED" ] || { [ "$spare_entries" != - ] && [ "$spare_entries" -lt "$ENTRIES" ]; }; then
    echo "the file system of $1 has room for $spare bytes and $spare_entries files, and the archive needs $NEEDED bytes and $ENTRIES files"
    exit 1
  fi
}
