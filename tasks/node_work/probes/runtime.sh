#!/bin/sh
# Checks whether a process listens at the socket of the container runtime, whatever its unit is called. Changes nothing.
#
# Given:   SOCKET  its path, which may contain links
# Prints:  `listens PATH`, from /proc/net/unix, for each that does
# Status:  0

# In /proc/net/unix, flags 00010000 mean a listening socket. A name counts only if it is the same file.
want=$(realpath -m "$SOCKET")
awk -v name="/${SOCKET##*/}" '$4 == "00010000" && substr($8, length($8) - length(name) + 1) == name { print $8 }' /proc/net/unix |
  while read -r path; do
    [ "$(realpath -m "$path")" != "$want" ] || echo "listens $path"
  done
