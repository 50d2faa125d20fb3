#!/bin/sh
# Thaws an application by a command in its container, once: the worker runs it, and the timer of freeze.sh if the worker does not.
#
# Given:   FOLDER  the folder of this freeze, in memory; it exists while the container may be frozen
#          UNIT    the name of the timer
#          WITHIN  seconds that the command may take
# Prints:  `thawed`; `thawed-before` if that was done already; `gone` if the container does not run any more; `unsure` if the command
#          failed, and the one that freezes had failed before
# Status:  75 if the command fails otherwise

. tasks/volumes/scripts/container.lib.sh

set -eu
umask 077
if [ ! -d "$FOLDER" ]; then
  echo thawed-before
  exit 0
fi
exec 9> "$FOLDER.lock"
flock 9
if [ ! -d "$FOLDER" ]; then
  echo thawed-before
  exit 0
fi
end=gone
if is_running; then
  end=thawed
  status=0
  run_in_container "$WITHIN" "$FOLDER/thaw-words" || status=$?
  if [ "$status" -ne 0 ] && [ -e "$FOLDER/failed" ]; then
    end=unsure
  elif [ "$status" -ne 0 ]; then
    echo "the command that thaws ended with status $status" >&2
    exit 75
  fi
fi
rm -rf "$FOLDER" "$FOLDER.lock"
# A timer that is left fires later, and finds nothing to thaw.
systemctl stop "$UNIT.timer" 2> /dev/null || true
echo "$end"
