#!/bin/sh
# How a job is, and what it has printed since the last look. Waits for news. Changes nothing.
#
# Given:   FOLDER       of the job
#          UNIT         of systemd
#          OFFSET       bytes of its output that are known
#          PATIENCE     seconds that it waits for news
#          PIECE_BYTES  of output at most; of more, only the end
# Prints:  a line `STATE [END] SIZE`: running, ended, lost or none; how it ended; bytes of output. Then the output itself
# Status:  0

set -u
if ! cd "$FOLDER" 2> /dev/null; then
  echo none - 0
  exit
fi

size() {
  stat -c %s output 2> /dev/null || echo 0
}

# Whether its unit is there, if only to end.
is_there() {
  systemctl is-active --quiet "$UNIT" || [ "$(systemctl show -P ActiveState "$UNIT")" = deactivating ]
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
echo "$state $(cat result 2> /dev/null | tr ' ' ,) $size"
tail -c +$((from + 1)) output 2> /dev/null | head -c $((size - from))
