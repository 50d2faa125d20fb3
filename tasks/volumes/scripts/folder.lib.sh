#!/bin/sh
# Functions about a folder. They run inside of it, so that nobody can put a link in its place meanwhile.
#
# Given:  WORK  the folder of the job

# Goes into the folder. It has to be that very folder: a link may lead to what the volume does not own.
enter() { # FOLDER
  cd "$1" || exit
  if [ "$(pwd -P)" != "$1" ]; then
    echo "$1 leads to $(pwd -P): a symbolic link is on the way" >&2
    exit 1
  fi
}

# Finds entries of this file system alone. What cannot be read is in the file `unread`, because the status of a pipe does not show it.
entries() { # PREDICATES...
  find . -xdev "$@" 2>> "$WORK/unread"
}

# Prints each entry with its mode, owner, group, size and time. A zero byte ends each line, because a name may contain anything else.
# Sockets are in no archive.
names() {
  entries ! -type s \( -type f -printf "f %m %U %G %s %T@ %P\\0" -o -printf "%y %m %U %G - %T@ %P %l\\0" \) | sort -z
}

# Prints the same, then the sum of each regular file.
list() {
  {
    names
    entries -type f -print0 | sort -z | xargs -0 -r sha256sum -z --
  } 2>> "$WORK/unread"
}

# Prints a sum that changes with each change of an entry: the kernel sets the time of change, and no program can set it back.
fingerprint() {
  entries -printf "%i %n %s %m %U %G %C@ %P\\0" | sort -z | sha256sum
}

# Prints what no archive contains, as `left_out KIND COUNT NAMES`: the first names, with a zero byte after each, in base64.
left_out() {
  device=$(stat -c %d .)
  entries -type s -printf "%P\\0" > "$WORK/socket"
  entries -mindepth 1 -type d -printf "%D %P\\0" | sed -zn "/^$device /!s/^[0-9]* //p" > "$WORK/mount"
  for kind in socket mount; do
    count=$(tr -cd "\\000" < "$WORK/$kind" | wc -c)
    echo "left_out $kind $count $(head -zn 20 "$WORK/$kind" | base64 -w0)"
  done
}
