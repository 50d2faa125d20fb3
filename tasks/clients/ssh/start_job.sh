#!/bin/sh
# Starts a job as a transient systemd unit of its own, unless it exists already. Two calls at the same time start it once.
# Standard input: what the job reads, if it reads anything.
#
# Given:   JOBS          the folder of all jobs
#          SECRETS       a folder in memory, for what jobs read
#          NAME          the name of the job
#          COMMAND       what it runs: a script
#          AT_END        a script that systemd runs when the job has finished
#          READS         yes if it reads standard input
#          LIMIT         seconds, after which the whole group of its processes is stopped
#          STOP_SECONDS  seconds between TERM and KILL then
#          NICE          its niceness
#          KEEP_DAYS     days after which a job's folder is removed
#          SEARCH_PATH   its PATH
# Prints:  `started`; or `there` if it runs or has succeeded; or `unknown` and why, if systemd does not say whether it runs
# Status:  not 0 if it could not be started

. tasks/clients/ssh/unit.lib.sh

set -eu
umask 077
folder=$JOBS/$NAME
result=$folder/result
secret=$SECRETS/$NAME
begin="exec /bin/sh $folder/command"

# Renames the folder of an earlier attempt before the job starts again.
put_aside() { # WHY
  mv "$folder" "$folder.$1.$(date +%s%N)"
}

run() {
  systemd-run --quiet --collect --unit="$UNIT" \
    --property=Type=exec \
    --property="StandardOutput=append:$folder/output" \
    --property="StandardError=append:$folder/output" \
    --property="ExecStopPost=/bin/sh $folder/at-end" \
    --property="RuntimeMaxSec=$LIMIT" \
    --property="TimeoutStopSec=$STOP_SECONDS" \
    --property=KillMode=control-group \
    --property=UMask=0077 \
    --property="Nice=$NICE" \
    --property="Environment=PATH=$SEARCH_PATH LC_ALL=C HOME=/root" \
    /bin/sh -c "$begin" >&2
}

# If a command fails within milliseconds, systemd may report a failed start. The command has run, and its result follows.
wait_for_result() {
  tries=0
  while [ ! -e "$result" ]; do
    [ "$tries" -lt 50 ] || exit 1
    tries=$((tries + 1))
    sleep 0.1
  done
}

mkdir -p "$JOBS" "$SECRETS"
exec 9> "$JOBS/.lock"
flock 9
find "$JOBS" -mindepth 1 -maxdepth 1 -mtime "+$KEEP_DAYS" -exec rm -rf {} +
if [ -d "$folder" ] && ! is_there; then
  if [ ! -e "$result" ]; then
    put_aside lost
  elif ! grep -q ' exited 0 ' "$result"; then
    put_aside failed
  fi
fi
if [ -d "$folder" ]; then
  echo there
  exit
fi
mkdir "$folder"
cat /proc/sys/kernel/random/boot_id > "$folder/boot"
printf '%s\n' "$COMMAND" > "$folder/command"
printf '%s\n' "$AT_END" > "$folder/at-end"
if [ -n "$READS" ]; then
  cat > "$secret"
  begin="exec < $secret; rm $secret; $begin"
fi
run || wait_for_result
echo started
