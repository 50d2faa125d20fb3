#!/bin/sh
# The login shell starts this. It prints a mark, and runs the command as the login's user or as root.
# Its second argument is the text of run_command.sh, in base64.
#
# Given:   MARK         a secret word in two halves: a shell that prints what it runs prints the halves apart
#          SUDO         yes if the command runs as root
#          SEARCH_PATH  the PATH of root's command
# Prints:  the mark without the space, on both streams, before anything else is started
# Status:  127 if there is no sudo; otherwise that of the command or of sudo

say() { # FIRST SECOND
  echo "$1$2" && echo "$1$2" >&2
}

# shellcheck disable=SC2086  # two words
say $MARK || exit # nobody listens any more
command=$(echo "$2" | base64 -d) || exit
[ -n "$SUDO" ] || exec /bin/sh -c "$command"
command -v sudo > /dev/null || exit 127
exec sudo -n -- /usr/bin/env -i "PATH=$SEARCH_PATH" LC_ALL=C HOME=/root USER=root LOGNAME=root /bin/sh -c "$command"
