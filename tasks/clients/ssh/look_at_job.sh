#!/bin/sh
# Prints the state of a job, and what it printed since the last time. Waits for news. Changes nothing.
#
# Given:   FOLDER       of the job
#          OFFSET       bytes of its output that are known already
#          PATIENCE     how many seconds it waits for news
#          PIECE_BYTES  the most output that is printed; if there is more, only the end
# Prints:  a line `STATE [END] SIZE`: running, ended, lost, none, or unknown; how it ended; bytes of output. Then the output itself, or why
#          the state is unknown
# Status:  0

. tasks/clients/ssh/unit.lib.sh

set -u
if [ ! -d "$FOLDER" ]; then
  echo none - 0
  exit
fi
cd "$FOLDER" || exit

# Prints the size of the output, which does not exist before the job has begun.
size() {
  [ -e output ] && stat -c %s output || echo 0
}

begun=$(date +%s)
state=running
while :; do
  there=no
  ! is_there || there=yes
  if [ -e result ]; then
    state=ended
    break
  fi
  if [ "$there" = no ]; then
    sleep 0.2
    state=lost
    [ ! -e result ] || state=ended
    break
  fi
  [ "$(size)" -le "$OFFSET" ] || break
  [ $(($(date +%s) - begun)) -lt "$PATIENCE" ] || break
  sleep 0.2
done
size=$(size)
from=$OFFSET
if [ $((size - from)) -gt "$PIECE_BYTES" ]; then
  from=$((size - PIECE_BYTES))
fi
end=-
[ "$state" != ended ] || end=$(tr ' ' , < result)
echo "$state $end $size"
[ ! -e output ] || tail -c +$((from + 1)) output | head -c $((size - from))
