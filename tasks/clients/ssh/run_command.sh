#!/bin/sh
# Runs a command within its time limit, with marks around its output. What a login's files or sudo print is outside of the marks.
# `timeout` stops the command's whole process group. The shell stays its parent because a process that a signal kills has no exit
# status in SSH, only a signal, which paramiko drops. It would look like a lost connection.
#
# Given:   BEGIN       a secret word, in two halves
#          END         another one
#          COMMAND     for /bin/sh -c
#          LIMIT       seconds until TERM
#          KILL_AFTER  seconds from TERM to KILL
# Prints:  the first mark, what the command writes, the second mark: on both streams; on stderr it ends with the status
# Status:  that of the command: 128 + signal if one killed it; 124 or 137 if its time was up

say() { # FIRST SECOND [STATUS]
  echo "$1$2" && echo "$1$2${3:+ $3}" >&2
}

# shellcheck disable=SC2086  # two words
say $BEGIN || exit # nobody listens any more
timeout -k "$KILL_AFTER" "$LIMIT" /bin/sh -c "$COMMAND"
status=$?
# shellcheck disable=SC2086  # two words
say $END "$status"
exit "$status"
