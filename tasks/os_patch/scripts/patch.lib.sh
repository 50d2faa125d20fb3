#!/bin/sh
# What scripts of a patch have in common: a folder of our own, all packages, and who blocks a shutdown.
#
# Given:  PATCHES  the folder: lists of packages, apt's preferences for our calls, and what a run under way wants

mkdir -p "$PATCHES"

# A boot has another id than any other one.
this_boot() {
  cat /proc/sys/kernel/random/boot_id
}

# All packages, `name version`, sorted. One of another architecture than the machine's has it behind its name.
list_packages() {
  if command -v dpkg-query > /dev/null; then
    native=$(dpkg --print-architecture)
    # shellcheck disable=SC2016 # dpkg fills these in
    dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Architecture} ${Version}\n' | awk -v native="$native" '
      substr($1, 2, 1) !~ /[nc]/ { print ($3 == native || $3 == "all" ? $2 : $2 ":" $3) " " $4 }
    ' | sort
  else
    rpm -qa --qf '%{NAME}.%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' | grep -v '^gpg-pubkey' | sort
  fi
}

# NAME.new, a file of ours, gets its name once it is on the disk.
place() {
  sync "$PATCHES/$1.new"
  mv "$PATCHES/$1.new" "$PATCHES/$1"
}

# Who blocks a shutdown, one a line.
list_inhibitors() {
  systemd-inhibit --list --no-legend --no-pager --mode=block 2> /dev/null \
    | grep -w shutdown | grep 'block *$' | tr -s ' '
}
