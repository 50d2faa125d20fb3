#!/bin/sh
# Functions of the scripts of a patch: our own folder, the list of packages, and what blocks a shutdown.
#
# Given:  PATCHES  the folder: lists of packages, apt's preferences for our calls, and the intent of a run in progress

mkdir -p "$PATCHES"

# Prints the id of this boot.
this_boot() {
  cat /proc/sys/kernel/random/boot_id
}

# Prints all packages as `name version`, sorted. A status other than 0 if they cannot be listed. A package of a foreign architecture
# has its architecture after its name.
list_packages() {
  if command -v dpkg-query > /dev/null; then
    native=$(dpkg --print-architecture)
    # shellcheck disable=SC2016 # dpkg fills these in
    packages=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Architecture} ${Version}\n') || return
    echo "$packages" | awk -v native="$native" '
      substr($1, 2, 1) !~ /[nc]/ { print ($3 == native || $3 == "all" ? $2 : $2 ":" $3) " " $4 }
    ' | sort
  else
    packages=$(rpm -qa --qf '%{NAME}.%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n') || return
    echo "$packages" | grep -v '^gpg-pubkey' | sort
  fi
}

# Renames our file NAME.new to NAME once it is on the disk.
place() {
  sync "$PATCHES/$1.new"
  mv "$PATCHES/$1.new" "$PATCHES/$1"
}

# Who inhibits what, in one line as logind says it: `json TEXT`, or `typed TEXT` where busctl is older than v240; `unseen WHY` where it says
# nothing; `none` on a machine without logind, which keeps the list. What is encoded is so by base64.
list_inhibitors() {
  logind="org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
  # shellcheck disable=SC2086 # words
  if list=$(busctl --json=short call $logind ListInhibitors 2>&1); then
    kind=json
  elif list=$(busctl call $logind ListInhibitors 2>&1); then
    kind=typed
  else
    kind=unseen
    case "$(systemctl show --property=LoadState --value systemd-logind.service 2>&1)" in not-found | masked) kind=none ;; esac
  fi
  [ "$kind" = none ] || kind="$kind $(printf '%s' "$list" | base64 -w0)"
  echo "$kind"
}
