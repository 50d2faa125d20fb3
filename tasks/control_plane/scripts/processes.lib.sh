#!/bin/sh
# Which processes are the control plane's. A program is known by its container, and never by its name: a workload's may have
# the same one, and the kernel keeps 15 letters of it.
#
# kubelet gives a pod of a manifest file a uid of 32 digits without dashes; the API's have dashes. The cgroup of a process
# names the uid (containerd, CRI-O and Docker, systemd and cgroupfs, v1 and v2 alike), and what kubelet mounts into every
# container (`/dev/termination-log`) names the uid and the container. With `--cgroups-per-qos=false` the mounts alone tell.
# Neither the API nor the runtime nor crictl is asked: none of them has to answer for a process to be seen.

# Whether they can be read: without root, or with a systemd that does not answer, it would look as if nothing ran.
sees_processes() {
  if ! head -n 1 /proc/1/mountinfo > /dev/null 2>&1; then
    echo "the processes of this node cannot be read: /proc/1/mountinfo" >&2
    return 1
  fi
  main_pid etcd.service > /dev/null
}

# Of UNIT; nothing where it does not run; a status other than 0, and why, if systemd does not say it.
main_pid() {
  if ! main_told=$(systemctl show --property=MainPID --value "$1" 2>&1); then
    echo "systemd does not say which process is that of $1: $main_told" >&2
    return 1
  fi
  case "$main_told" in
    [1-9]*) echo "$main_told" ;;
  esac
}

# Files that may be mountinfo of a static pod's process: those whose cgroup says so, or else all.
mounts_of_static_pods() {
  static_files=$(grep -lsE 'pod[0-9a-f]{32}([./]|$)' /proc/[0-9]*/cgroup) \
    || static_files=${static_files:-$(echo /proc/[0-9]*/cgroup)}
  echo "$static_files" | tr ' ' '\n' | sed 's|cgroup$|mountinfo|'
}

# `PID UID` for each process in a container of NAME in a static pod.
in_static_pods() {
  # shellcheck disable=SC2046  # one word for each file
  grep -sHoE '^[0-9]+ [0-9]+ [0-9:]+ [^ ]*/pods/[0-9a-f]{32}/containers/[^/ ]+/' $(mounts_of_static_pods) \
    | sed -n "s|^/proc/\([0-9]*\)/mountinfo:.*/pods/\([0-9a-f]*\)/containers/$1/\$|\1 \2|p" \
    | sort -u
}

# Whether kubelet has the logs of static pod UID as those of kube-system's NAME, or has them somewhere else.
is_of_kube_system() {
  static_name=$1
  set -- /var/log/pods/*_"$2"
  case "$1" in
    *\** | */kube-system_"$static_name"-*) return 0 ;;
  esac
  return 1
}

# When PID was started.
process_began() {
  sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d ' ' -f 20
}

# Processes of kubelet's static pod PROGRAM, the oldest first; of etcd also its unit's; of kubelet its unit's. Another status than 0 where
# systemd does not say what runs.
pids_of() {
  case "$1" in
    kubelet)
      main_pid kubelet.service
      return
      ;;
    etcd) main_pid etcd.service || return ;;
  esac
  static_pids_of "$1"
}

# Those of the static pod alone.
static_pids_of() {
  in_static_pods "$1" \
    | while read -r static_pid static_uid; do
      ! is_of_kube_system "$1" "$static_uid" || echo "$(process_began "$static_pid") $static_pid"
    done \
    | sort -n \
    | cut -d ' ' -f 2
}

# The id of the container of PID; nothing for a process of the host.
container_of() {
  sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "/proc/$1/cgroup" 2> /dev/null | head -n 1
}

# How /proc/locks names FILE: its device and its inode.
lock_name_of() {
  lock_device=$(stat -c %d "$1")
  lock_major=$(((lock_device >> 8) & 4095))
  lock_minor=$(((lock_device & 255) | ((lock_device >> 12) & 1048320)))
  printf '%02x:%02x:%s' "$lock_major" "$lock_minor" "$(stat -c %i "$1")"
}

# Who has DATABASE open, apart from etcd's own static pod or unit; nobody where nothing is printed.
others_with() {
  [ -e "$1" ] && ! flock -n "$1" true || return 0
  file_holders=$(awk -v id="$(lock_name_of "$1")" '$6 == id { print $5 }' /proc/locks | sort -u)
  file_own=$(pids_of etcd 2>&1) || {
    echo "somebody unknown ($file_own)"
    return 0
  }
  [ -n "$file_holders$file_own" ] || echo "a process that the kernel does not name"
  for file_holder in $file_holders; do
    echo "$file_own" | grep -qx "$file_holder" \
      || echo "process $file_holder ($(cat "/proc/$file_holder/comm" 2> /dev/null))"
  done
}
