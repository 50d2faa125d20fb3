#!/bin/sh
# Functions that print which versions run. A package may be newer than the running process.

# Prints the process of a unit; nothing if it does not run; a status other than 0 if systemd does not say.
main_pid_of() {
  told=$(systemctl show --property=MainPID --value "$1") || return
  [ "$told" = 0 ] || echo "$told"
}

# Prints the versions of the kubelet and containerd processes. It runs the program of each process, even if the file was replaced.
tell_what_runs() {
  for unit in kubelet containerd; do
    pid=$(main_pid_of "$unit" 2>&1) || {
      echo "silent $pid"
      continue
    }
    [ -n "$pid" ] || continue
    said=$(timeout 10 bash -c "exec -a $unit /proc/$pid/exe --version" 2> /dev/null | head -n 1)
    echo "runs $unit $said"
  done
}
