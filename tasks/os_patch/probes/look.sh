#!/bin/sh
# Prints the facts that a plan needs: those of a proof, and what the package manager would do. With apt it simulates the same
# command that installs. Changes nothing but our own lists.
#
# Given:  REFRESH  `yes` to update those lists first
# Prints:  one fact a line, by its first word (`facts.py` reads them)
# Status:  0

. tasks/os_patch/scripts/patch.lib.sh
. tasks/os_patch/scripts/apt.lib.sh
. tasks/os_patch/scripts/dnf.lib.sh
. tasks/os_patch/probes/boot_menu.lib.sh
. tasks/os_patch/probes/state.lib.sh
. tasks/nodes/probes/repositories.lib.sh

refresh_seconds=120 # for all package lists of a node

# Prints a query that failed: its status, its output in base64, and the query.
tell_unanswered() {
  echo "unanswered $1 $(echo "$2" | base64 -w0) $3"
}

look_at_apt() {
  echo "manager apt"
  if held=$(apt-mark showhold 2>&1); then
    tell_held "$held"
  else
    tell_unanswered $? "$held" "apt-mark showhold"
  fi
  prepare_apt
  [ -z "$REFRESH" ] || refresh_apt
  if said=$(upgrade --simulate 2>&1); then
    echo "preview $(echo "$said" | base64 -w0)"
  else
    tell_unanswered $? "$said" "apt-get upgrade --simulate"
  fi
}

tell_held() {
  for name in $1; do
    echo "held $name"
  done
}

# Our lists start as a copy of the system's: a release with another label that was accepted there is accepted here.
# One repository that fails is a failure. An apt that does not know this option exits with an error.
refresh_apt() {
  take_lists
  said=$(timeout "$refresh_seconds" apt-get -q \
    -o Dir::State::Lists="$PATCHES/lists" \
    -o Dir::Cache="$PATCHES/cache" \
    -o APT::Sandbox::User=root \
    -o Acquire::Retries=1 \
    --error-on=any update 2>&1) || tell_unanswered $? "$said" "apt-get update"
}

take_lists() {
  system=/var/lib/apt/lists/
  eval "$(apt-config shell system Dir::State::lists/d)"
  rm -rf "$PATCHES/lists"
  mkdir -p "$PATCHES/lists/partial"
  find "$system" -maxdepth 1 -type f ! -name lock -exec cp -p {} "$PATCHES/lists" ';'
}

look_at_dnf() {
  echo "manager dnf"
  if held=$(held_by_dnf 2>&1); then
    tell_held "$held"
  else
    tell_unanswered $? "$held" "dnf versionlock list"
  fi
  if [ -n "$REFRESH" ]; then
    said=$(timeout "$refresh_seconds" dnf -q makecache 2>&1) || tell_unanswered $? "$said" "dnf makecache"
  fi
  if packages=$(list_packages); then
    echo "$packages" | sed 's/^/has /'
  else
    tell_unseen "which packages there are" "no list of them"
  fi
  said=$(upgrade_by_dnf --assumeno --cacheonly 2>&1)
  echo "previewed $?"
  echo "preview $(echo "$said" | base64 -w0)"
}

look_at_zypper() {
  echo "manager zypper"
  if held=$(zypper --non-interactive --no-refresh locks 2>&1); then
    echo "$held" | awk -F '|' 'NR > 2 && $2 != "" { gsub(/ /, "", $2); print "held " $2 }'
  else
    tell_unanswered $? "$held" "zypper locks"
  fi
  if [ -n "$REFRESH" ]; then
    said=$(timeout "$refresh_seconds" zypper --non-interactive refresh 2>&1) || tell_unanswered $? "$said" "zypper refresh"
  fi
  if [ "$SCOPE" = security ]; then
    set -- patch --category security
  else
    set -- update
  fi
  said=$(zypper --xmlout --non-interactive --no-refresh "$@" --dry-run 2>&1)
  echo "previewed $?"
  echo "preview $(echo "$said" | base64 -w0)"
  said=$(zypper --non-interactive --no-refresh needs-rebooting 2>&1)
  status=$?
  case $status in
    0) ;;
    102) echo "reboot_required yes" ;;
    *) echo "reboot_unknown zypper needs-rebooting: status $status: $(echo "$said" | tail -n 2 | tr '\n' ' ')" ;;
  esac
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
