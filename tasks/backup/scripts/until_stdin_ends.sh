#!/bin/sh
# Runs a command, its arguments, until it or standard input ends. The kernel closes standard input when the worker dies, even by SIGKILL.
#
# Prints:  what the command prints
# Status:  that of the command

exec 3<&0
"$@" 3<&- < /dev/null &
child=$!
{
  read -r _ <&3
  kill -KILL "$child"
} 2> /dev/null &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2> /dev/null
exit "$status"
