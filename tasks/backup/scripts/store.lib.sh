#!/bin/sh
# Functions of jobs that use the store: a folder that is removed with the job, and the addresses from standard input.
# An address gives access like a key, so it is never on a disk and never an argument of a program.
#
# Given:  WORK  the folder

# From here on the job works in a new, empty folder, which is removed however the job ends.
begin_work() {
  trap 'rm -rf "$WORK"' EXIT
  trap 'exit 143' TERM INT HUP
  rm -rf "$WORK"
  mkdir -p "$WORK"
  cd "$WORK" || exit
}

# The first line of standard input: the CA of the store in base64, or `-`. Sets `ca` to its file, or leaves it empty.
read_ca() {
  ca=
  read -r line
  if [ "$line" != - ]; then
    echo "$line" | base64 -d > ca.pem
    ca=$WORK/ca.pem
  fi
}

# Downloads the address on the next line of standard input into the file `stored`. Status 75: try again later.
fetch() {
  read -r url
  printf 'url = "%s"\n' "$url" | curl --config - --silent --show-error --fail --connect-timeout 10 --retry 3 \
    --speed-limit 1024 --speed-time 60 ${ca:+--cacert "$ca"} --output stored || exit 75
}
