#!/bin/sh
# All that a plan has to know: what a proof looks at, and what the package manager would do. By apt that is a simulation of the
# very command that installs. Changes nothing but lists of our own.
#
# Given:  REFRESH  `yes` to bring those lists up to date first
# Prints:  one fact a line, by its first word (`facts.py` reads them)
# Status:  0

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/dnf.lib.sh
. tasks/os_patch/probes/boot_menu.lib.sh
. tasks/os_patch/probes/state.lib.sh

refresh_seconds=120 # for all package lists of a node

look_at_apt() {
  echo "manager apt"
  for name in $(apt-mark showhold 2> /dev/null); do
    echo "held $name"
  done
  prepare_apt
  [ -z "$REFRESH" ] || refresh_apt
  if said=$(upgrade --simulate 2>&1); then
    echo "preview $(echo "$said" | base64 -w0)"
  else
    echo "problem $(echo "$said" | grep '^E:' | tail -n 2 | tr '\n' ' ')"
  fi
}

refresh_apt() {
  said=$(
    timeout "$refresh_seconds" apt-get -q \
      -o Dir::State::Lists="$PATCHES/lists" \
      -o Dir::Cache="$PATCHES/cache" \
      -o APT::Sandbox::User=root \
      -o Acquire::Retries=1 \
      -o APT::Update::Error-Mode=any \
      update 2>&1
  ) || said="$said
E: apt-get update ended with status $?"
  if echo "$said" | grep -q '^E:\|^W: Failed\|^W: Some index'; then
    echo "problem $(echo "$said" | grep '^[EW]:' | tail -n 3 | tr '\n' ' ')"
  fi
}

look_at_dnf() {
  echo "manager dnf"
  locked='s/^\([a-zA-Z0-9_.+-]*\)-[0-9]*:\{0,1\}[^-]*-[^-]*$/\1/p'
  for name in $(dnf -q versionlock list 2> /dev/null | sed -n "$locked"); do
    echo "held $name"
  done
  if [ -n "$REFRESH" ]; then
    timeout "$refresh_seconds" dnf -q makecache > /dev/null 2>&1 || echo "problem dnf makecache failed"
  fi
  list_packages | sed 's/^/has /'
  echo "preview $(upgrade_by_dnf --assumeno --cacheonly 2>&1 | base64 -w0)"
}

look_at_zypper() {
  echo "manager zypper"
  zypper --non-interactive --no-refresh locks 2> /dev/null \
    | awk -F '|' 'NR > 2 && $2 != "" { gsub(/ /, "", $2); print "held " $2 }'
  if [ -n "$REFRESH" ]; then
    timeout "$refresh_seconds" zypper --non-interactive refresh > /dev/null 2>&1 || echo "problem zypper refresh failed"
  fi
  if [ "$SCOPE" = security ]; then
    set -- patch --category security
  else
    set -- update
  fi
  echo "preview $(zypper --xmlout --non-interactive --no-refresh "$@" --dry-run 2>&1 | base64 -w0)"
  zypper --non-interactive --no-refresh needs-rebooting > /dev/null 2>&1
  [ $? != 102 ] || echo "reboot_required yes"
}

set -u
tell_state
if command -v apt-get > /dev/null; then
  look_at_apt
elif command -v dnf > /dev/null; then
  look_at_dnf
elif command -v zypper > /dev/null; then
  look_at_zypper
fi
true
