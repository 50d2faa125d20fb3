#!/bin/sh
# Functions that ask the container runtime of a node for a container, and run a command in it: with crictl, or with ctr, which comes
# with containerd.
#
# Given:  CONTAINER  the id of the container
#         ENDPOINT   the socket of the container runtime; empty: the program finds it

with_crictl() {
  crictl ${ENDPOINT:+"--runtime-endpoint=$ENDPOINT"} "$@" < /dev/null
}

with_ctr() {
  ctr ${ENDPOINT:+"--address=${ENDPOINT#unix://}"} --namespace k8s.io "$@" < /dev/null
}

# Whether the container runs. A runtime that does not answer ends the script.
is_running() {
  if command -v crictl > /dev/null; then
    found=$(with_crictl ps --quiet --no-trunc --state running --id "$CONTAINER") || exit 75
  elif command -v ctr > /dev/null; then
    found=$(with_ctr tasks list) || exit 75
    found=$(printf '%s\n' "$found" | awk -v id="$CONTAINER" '$1 == id && $3 == "RUNNING"')
  else
    echo "there is neither crictl nor ctr" >&2
    exit 1
  fi
  [ -n "$found" ]
}

# SECONDS FILE: runs the command in the container, whose words are in the file, one a line. What it prints may hold secrets: nobody
# gets it.
run_in_container() {
  seconds=$1
  words=$2
  set --
  while IFS= read -r word; do
    set -- "$@" "$word"
  done < "$words"
  if command -v crictl > /dev/null; then
    with_crictl --timeout "${seconds}s" exec --sync --timeout "$seconds" "$CONTAINER" "$@" > /dev/null 2>&1
  else
    id=kube-runbooks-$(date +%s%N)
    ended=0
    timeout --kill-after=2 "$seconds" \
      ctr ${ENDPOINT:+"--address=${ENDPOINT#unix://}"} --namespace k8s.io tasks exec --exec-id "$id" "$CONTAINER" "$@" \
      < /dev/null > /dev/null 2>&1 || ended=$?
    case "$ended" in
      # ctr is stopped. What it started goes on in the container if it ignores TERM, and could freeze it after the thaw.
      124 | 137) with_ctr tasks kill --exec-id "$id" --signal SIGKILL "$CONTAINER" >&2 || true ;;
    esac
    return "$ended"
  fi
}
