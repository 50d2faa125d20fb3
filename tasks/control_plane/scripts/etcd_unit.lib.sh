#!/bin/sh
# Functions for an etcd that is no static pod: they stop its unit, and keep a reboot from starting it.
#
# Given:  UNIT       the name of the unit
#         DROP_IN    the file that keeps it from being started
#         MANIFESTS  the kubelet's folder of static pods
#         PARKED     the folder of parked manifests

# If there is a static pod, a unit that does not run is not a member.
is_static_pod() {
  [ -e "$MANIFESTS/etcd.yaml" ] || [ -e "$PARKED/etcd.yaml" ]
}

# Ends the script if systemd does not say.
has_unit() {
  unit_load=$(systemctl show --property=LoadState --value "$UNIT") || exit
  case "$unit_load" in
    not-found | masked) return 1 ;;
  esac
}

stop_unit() {
  has_unit || return 0
  systemctl is-active --quiet "$UNIT" || ! is_static_pod || return 0
  mkdir -p "$(dirname "$DROP_IN")"
  printf '[Unit]\nConditionPathExists=!%s\n' "$PARKED/$UNIT" > "$DROP_IN"
  touch "$PARKED/$UNIT"
  systemctl daemon-reload
  systemctl stop "$UNIT"
}

# It does not wait, because a member is ready only with a quorum. If there is a static pod, it starts only a unit that was stopped.
start_unit() {
  if [ -e "$PARKED/$UNIT" ]; then
    rm -f "$DROP_IN"
    systemctl daemon-reload
    systemctl reset-failed "$UNIT" || true # one that has not failed has nothing to reset
    systemctl start --no-block "$UNIT"
    rm -f "$PARKED/$UNIT"
  elif has_unit && ! is_static_pod; then
    systemctl start --no-block "$UNIT"
  fi
}
