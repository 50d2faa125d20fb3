#!/bin/sh
# What a machine says of its boot, its system and its packages without asking a package manager what it would do.
#
# Given:  PATCHES    the folder of our own
#         PROTECTED  packages whose versions are told

# One fact a line, by its first word.
tell_state() {
  tell_boot
  tell_kernels
  tell_boot_loader
  tell_pending_reboot
  tell_system
  if command -v dpkg-query > /dev/null; then
    tell_debs
  else
    tell_rpms
  fi
  tell_notes
}

tell_boot() {
  echo "boot $(this_boot)"
  echo "booted $(sed -n 's/^btime //p' /proc/stat)"
  echo "kernel $(uname -r)"
}

# In the order of their versions; and when each one was installed.
tell_kernels() {
  find /boot/ -maxdepth 1 -name 'vmlinuz-*' ! -name '*rescue*' 2> /dev/null \
    | sed 's|^/boot/vmlinuz-|newest_kernel |' | sort -V
  for file in /boot/vmlinuz-*; do
    [ ! -e "$file" ] || echo "kernel_since ${file#/boot/vmlinuz-} $(stat -c %Z "$file")"
  done
}

# What asks for a reboot: the system, needrestart, or dnf.
tell_pending_reboot() {
  if [ -e /run/reboot-required ] || [ -e /run/reboot-needed ]; then
    echo "reboot_required yes"
  fi
  sort -u /run/reboot-required.pkgs 2> /dev/null | sed 's/^/reboot_package /'
  if command -v needrestart > /dev/null; then
    needrestart -b -k 2> /dev/null | sed -n 's/^NEEDRESTART-KSTA: /kernel_state /p'
  fi
  if command -v dnf > /dev/null && ask_dnf 2> /dev/null | grep -q 'Reboot is required'; then
    echo "reboot_required yes"
  fi
}

# A program of its own, or a command of dnf 4 or of dnf 5.
ask_dnf() {
  needs-restarting -r || dnf -q needs-restarting -r || dnf -q needs-restarting
}

tell_system() {
  echo "state $(systemctl is-system-running 2> /dev/null)"
  systemctl list-units --state=failed --no-legend --plain --no-pager 2> /dev/null | while read -r unit _; do
    echo "failed $unit"
  done
  echo "synced $(timedatectl show --property=NTPSynchronized --value 2> /dev/null)"
  list_inhibitors | sed 's/^/inhibitor /'
}

# What is protected, what is not wholly installed, and who has dpkg's lock.
tell_debs() {
  # shellcheck disable=SC2016,SC2086 # dpkg fills these in; words
  dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' $PROTECTED 2> /dev/null \
    | while read -r name version state; do
      case "$state" in
        ?i*) echo "protected $name $version" ;;
      esac
    done
  # shellcheck disable=SC2016 # as above
  dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' \
    | sed -n 's/^.[UHFWt].*|/broken /p; s/^..R.*|/broken /p' | sort -u
  if find /var/lib/dpkg/updates/ -maxdepth 1 -name '[0-9]*' | grep -q .; then
    echo "broken dpkg itself: it was interrupted"
  fi
  if command -v lslocks > /dev/null; then
    lslocks --noheadings --output COMMAND,PID,PATH 2> /dev/null | grep -e /var/lib/dpkg/lock | head -n 1 \
      | awk '{ print "locked " $1 " (process " $2 ")" }'
  fi
}

tell_rpms() {
  # shellcheck disable=SC2086 # words
  rpm -q --qf 'protected %{NAME} %{VERSION}-%{RELEASE}\n' $PROTECTED 2> /dev/null | grep '^protected'
}

# What a run has written down here, and how the packages differ from those that it found.
tell_notes() {
  if [ -e "$PATCHES/before" ]; then
    list_packages > "$PATCHES/now"
    comm -23 "$PATCHES/before" "$PATCHES/now" | sed 's/^/was /'
    comm -13 "$PATCHES/before" "$PATCHES/now" | sed 's/^/is /'
  fi
  [ ! -e "$PATCHES/intent" ] || echo "intent $(base64 -w0 < "$PATCHES/intent")"
  [ ! -e "$PATCHES/patched" ] || echo "patched $(cat "$PATCHES/patched")"
  [ ! -e "$PATCHES/last" ] || echo "last $(cat "$PATCHES/last")"
}
