#!/bin/sh
# Runs apt as planned, and nothing else, by the functions of `apt.lib.sh`.
#
# Given:  PATCHES  our own folder
#         PLANNED  `package version`, sorted, one a line

# Ends the script if apt would now do something that is not in the plan.
compare_with_plan() {
  printf '%s\n' "$PLANNED" > "$PATCHES/planned"
  upgrade --simulate > "$PATCHES/simulated" || {
    cat "$PATCHES/simulated"
    exit 1
  }
  sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\1 \3/p' "$PATCHES/simulated" | sort > "$PATCHES/due"
  more=$(
    comm -23 "$PATCHES/due" "$PATCHES/planned"
    sed -n '/^Remv/p' "$PATCHES/simulated"
  )
  [ -z "$more" ] || {
    echo "not in the plan: $more"
    exit 1
  }
}

# Exits with 75 if apt did not reach dpkg, for example because another package manager held the lock for too long. Nothing was changed
# then, and another try may succeed. apt runs `DPkg::Pre-Invoke` while it holds the lock, right before dpkg: that leaves a mark.
do_all() {
  rm -f "$PATCHES/dpkg-began"
  {
    status=0
    upgrade "$@" -o "DPkg::Pre-Invoke::=: > $PATCHES/dpkg-began" 2>&1 || status=$?
    echo "$status" > "$PATCHES/status"
  } | tee "$PATCHES/output"
  [ "$(cat "$PATCHES/status")" != 0 ] || return 0
  [ -e "$PATCHES/dpkg-began" ] || exit 75
  return 1
}
