#!/bin/sh
# Which versions run: a package may be new while nobody has restarted what runs.

# Prints the process of a unit; nothing where it does not run.
main_pid_of() {
  systemctl show --property=MainPID --value "$1" 2> /dev/null | grep -x '[1-9][0-9]*'
}

# Has the processes of kubelet and containerd say their version, each by its own program, also one that was replaced meanwhile.
tell_what_runs() {
  for unit in kubelet containerd; do
    pid=$(main_pid_of "$unit")
    [ -n "$pid" ] || continue
    said=$(timeout 10 bash -c "exec -a $unit /proc/$pid/exe --version" 2> /dev/null | head -n 1)
    echo "runs $unit $said"
  done
}
