#!/bin/sh
# Freezes an application by a command in its container. First it sets a timer that thaws it, so that nothing stays frozen when nobody
# comes back.
# Standard input: the words of the command that freezes, one a line; an empty line; the words of the command that thaws.
#
# Given:   FOLDER  the folder of this freeze, in memory; it exists while the container may be frozen
#          SAME    how the folders of all freezes of this container begin
#          RUN     how the folders of this run end
#          UNIT    the name of the timer
#          LIMIT   seconds until the timer thaws
#          WITHIN  seconds that the command may take
#          THAW    the script that thaws
# Prints:  `frozen`; `busy` if another run has frozen the container; or `status N` of the command that failed
# Status:  not 0 if nothing was started

. tasks/volumes/scripts/container.lib.sh

set -eu
umask 077
mkdir -p "${FOLDER%/*}"
mkdir "$FOLDER"
for other in "$SAME"*; do
  if [ -d "$other" ] && [ "${other%"$RUN"}" = "$other" ]; then
    rm -r "$FOLDER"
    echo busy
    exit 0
  fi
done
while IFS= read -r word && [ -n "$word" ]; do
  printf '%s\n' "$word"
done > "$FOLDER/freeze-words"
cat > "$FOLDER/thaw-words"
printf '%s' "$THAW" > "$FOLDER/thaw"
if ! systemd-run --quiet --collect --unit="$UNIT" --on-active="${LIMIT}s" --timer-property=AccuracySec=100ms \
  --property=Restart=on-failure --property=RestartSec=5 --property="Environment=PATH=$PATH" \
  /bin/sh "$FOLDER/thaw" >&2; then
  rm -r "$FOLDER"
  exit 1
fi
status=0
run_in_container "$WITHIN" "$FOLDER/freeze-words" || status=$?
if [ "$status" -eq 0 ]; then
  echo frozen
else
  touch "$FOLDER/failed"
  echo "status $status"
fi
