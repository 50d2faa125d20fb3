#!/bin/sh
# apt as planned, and nothing else. `apt.lib.sh` has what it is done with.
#
# Given:  PATCHES  the folder of our own
#         PLANNED  `package version`, sorted, one a line

# What would be done now has to be in the plan.
compare_with_plan() {
  printf '%s\n' "$PLANNED" > "$PATCHES/planned"
  upgrade --simulate > "$PATCHES/simulated" || {
    cat "$PATCHES/simulated"
    exit 1
  }
  sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\1 \3/p' "$PATCHES/simulated" | sort > "$PATCHES/due"
  more=$(
    comm -23 "$PATCHES/due" "$PATCHES/planned"
    grep '^Remv' "$PATCHES/simulated" || true
  )
  [ -z "$more" ] || {
    echo "not in the plan: $more"
    exit 1
  }
}

# Ends with 75 where another package manager has the lock for too long: that may be tried again.
do_all() {
  {
    status=0
    upgrade "$@" 2>&1 || status=$?
    echo "$status" > "$PATCHES/status"
  } | tee "$PATCHES/output"
  [ "$(cat "$PATCHES/status")" != 0 ] || return 0
  ! grep -q 'Could not get lock' "$PATCHES/output" || exit 75
  return 1
}
