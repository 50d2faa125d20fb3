#!/bin/sh
# An etcd that is no static pod: its unit is stopped, and not started by a reboot in between.
#
# Given:  UNIT       its name
#         DROP_IN    the file that keeps it from being started
#         MANIFESTS  the folder where kubelet finds static pods
#         PARKED     the folder where they are out of its way

# Beside a static pod a unit that does not run is nobody's member.
is_static_pod() {
  [ -e "$MANIFESTS/etcd.yaml" ] || [ -e "$PARKED/etcd.yaml" ]
}

has_unit() {
  systemctl cat "$UNIT" > /dev/null 2>&1
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

# Does not wait: a member is up when there is a quorum. Beside a static pod only a unit that was stopped is started.
start_unit() {
  if [ -e "$PARKED/$UNIT" ]; then
    rm -f "$DROP_IN"
    systemctl daemon-reload
    systemctl reset-failed "$UNIT" || true
    systemctl start --no-block "$UNIT"
    rm -f "$PARKED/$UNIT"
  elif has_unit && ! is_static_pod; then
    systemctl start --no-block "$UNIT"
  fi
}
