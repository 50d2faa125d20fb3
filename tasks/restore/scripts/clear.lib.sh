#!/bin/sh
# What attempts of a restore have prepared.
#
# Given:  JOBS  the folder of jobs

. tasks/restore/scripts/data.lib.sh

# What attempt ID has not put in place goes, and so does the job that may still be at it.
clear_attempt() {
  systemctl stop "kube-runbooks-restore-$1-*.service" 2> /dev/null || true
  rm -rf "$(restored_of "$1")" "$JOBS/restore-$1"-*
}
