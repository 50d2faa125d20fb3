#!/bin/sh
# Functions that ask containerd how it is set up. After `main_pid_of`.

# Prints containerd's whole configuration, which may have secrets: by the program and the file of its process.
configuration() {
  pid=$(main_pid_of containerd.service)
  if [ -z "$pid" ]; then
    echo "there is no running containerd.service" >&2
    return 1
  fi
  file=$(tr '\0' '\n' < "/proc/$pid/cmdline" | sed -n '/^\(-c\|--config\)$/{n;p;}; s/^\(-c\|--config\)=//p' | tail -n 1)
  "/proc/$pid/exe" ${file:+--config "$file"} config dump
}
