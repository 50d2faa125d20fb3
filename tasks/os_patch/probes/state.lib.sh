#!/bin/sh
# Prints facts about the boot, the system and the packages, without a preview by the package manager.
#
# Given:  PATCHES    our own folder
#         PROTECTED  packages whose versions are printed

# Prints one fact a line; its first word says what it is.
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

# Prints the kernels in the order of their versions, and when each was installed.
tell_kernels() {
  if [ -d /boot/ ]; then
    find /boot/ -maxdepth 1 -name 'vmlinuz-*' ! -name '*rescue*' \
      | sed 's|^/boot/vmlinuz-|newest_kernel |' | sort -V
  fi
  for file in /boot/vmlinuz-*; do
    [ ! -e "$file" ] || echo "kernel_since ${file#/boot/vmlinuz-} $(stat -c %Z "$file")"
  done
}

# Prints what asks for a reboot: the system, needrestart, or dnf.
tell_pending_reboot() {
  if [ -e /run/reboot-required ] || [ -e /run/reboot-needed ]; then
    echo "reboot_required yes"
  fi
  [ ! -e /run/reboot-required.pkgs ] || sort -u /run/reboot-required.pkgs | sed 's/^/reboot_package /'
  if command -v needrestart > /dev/null; then
    tell_kernel_of_needrestart
  fi
  if command -v dnf > /dev/null; then
    tell_reboot_of_dnf
  fi
}

# needrestart prints a line; without that line it has failed.
tell_kernel_of_needrestart() {
  said=$(needrestart -b -k 2>&1)
  state=$(echo "$said" | sed -n 's/^NEEDRESTART-KSTA: //p')
  if [ -n "$state" ]; then
    echo "kernel_state $state"
  else
    echo "reboot_unknown needrestart -b -k: $(echo "$said" | tail -n 2 | tr '\n' ' ')"
  fi
}

# dnf answers by its status, if it knows the command: 0 no, 1 yes.
tell_reboot_of_dnf() {
  if ! dnf -q needs-restarting --help > /dev/null 2>&1; then
    echo "reboot_unknown dnf has no needs-restarting: install dnf-utils (dnf-plugins-core)"
    return
  fi
  said=$(dnf -q needs-restarting -r 2>&1)
  case $? in
    0) ;;
    1) echo "reboot_required yes" ;;
    *) echo "reboot_unknown dnf needs-restarting -r: $(echo "$said" | tail -n 2 | tr '\n' ' ')" ;;
  esac
}

# Prints what is not known, and why. Unknown is neither healthy nor absent.
tell_unseen() { # WHAT WORDS
  echo "unseen $1: $(echo "$2" | tail -n 2 | tr '\n' ' ')"
}

tell_system() {
  echo "state $(systemctl is-system-running 2> /dev/null)"
  if units=$(systemctl list-units --state=failed --no-legend --plain --no-pager 2>&1); then
    echo "$units" | while read -r unit _; do
      [ -z "$unit" ] || echo "failed $unit"
    done
  else
    tell_unseen "which units have failed" "$units"
  fi
  echo "synced $(timedatectl show --property=NTPSynchronized --value 2> /dev/null)"
  echo "inhibitors $(list_inhibitors)"
}

# Prints the protected packages, those that are not completely installed, and who has dpkg's lock.
tell_debs() {
  # shellcheck disable=SC2016,SC2086 # dpkg fills these in; words
  states=$(dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\n' $PROTECTED 2>&1)
  # it exits with 1 if one of them is not known
  [ $? -le 1 ] || tell_unseen "which versions packages have that are never touched" "$states"
  echo "$states" | while read -r kind name version state; do
    case "$kind $state" in
      "package "?i*) echo "protected $name $version" ;;
    esac
  done
  # shellcheck disable=SC2016 # as above
  if states=$(dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>&1); then
    echo "$states" | sed -n 's/^.[UHFWt].*|/broken /p; s/^..R.*|/broken /p' | sort -u
  else
    tell_unseen "which packages are not wholly installed" "$states"
  fi
  if find /var/lib/dpkg/updates/ -maxdepth 1 -name '[0-9]*' | grep -q .; then
    echo "broken dpkg itself: it was interrupted"
  fi
  if command -v lslocks > /dev/null; then
    lslocks --noheadings --output COMMAND,PID,PATH 2> /dev/null | grep -e /var/lib/dpkg/lock | head -n 1 \
      | awk '{ print "locked " $1 " (process " $2 ")" }'
  fi
}

# An rpm that cannot read its database reports every package as not installed. The list of all packages shows the difference.
tell_rpms() {
  if said=$(rpm -qa --qf '' 2>&1); then
    # shellcheck disable=SC2086 # words
    rpm -q --qf 'protected %{NAME} %{VERSION}-%{RELEASE}\n' $PROTECTED | grep '^protected'
  else
    tell_unseen "which versions packages have that are never touched" "$said"
  fi
}

# Prints what a run has recorded here, and how the packages differ from those that it found.
tell_notes() {
  if [ -e "$PATCHES/before" ]; then
    if list_packages > "$PATCHES/now"; then
      comm -23 "$PATCHES/before" "$PATCHES/now" | sed 's/^/was /'
      comm -13 "$PATCHES/before" "$PATCHES/now" | sed 's/^/is /'
    else
      tell_unseen "which packages have come and gone" "no list of them"
    fi
  fi
  [ ! -e "$PATCHES/intent" ] || echo "intent $(base64 -w0 < "$PATCHES/intent")"
  [ ! -e "$PATCHES/patched" ] || echo "patched $(cat "$PATCHES/patched")"
  [ ! -e "$PATCHES/last" ] || echo "last $(cat "$PATCHES/last")"
}
