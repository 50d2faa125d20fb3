#!/bin/sh
# Runs the check of an application in its container. What it prints may hold secrets: nobody gets it.
# Standard input: the words of the command, one a line.
#
# Given:   WITHIN  seconds that the command may take
# Prints:  `passed`; `gone` if the container does not run; or `status N` of the command
# Status:  not 0 if the container runtime does not answer

. tasks/volumes/scripts/container.lib.sh

set -eu
umask 077
words=$(mktemp)
trap 'rm -f "$words"' EXIT
cat > "$words"
if ! is_running; then
  echo gone
  exit 0
fi
status=0
run_in_container "$WITHIN" "$words" || status=$?
if [ "$status" -eq 0 ]; then
  echo passed
else
  echo "status $status"
fi
