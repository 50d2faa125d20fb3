#!/bin/sh
# Removes what attempts of a restore have prepared.
#
# Given:  JOBS      the folder of jobs
#         RESTORES  the folder with the traces of restores

. tasks/restore/scripts/data.lib.sh

# Stops the job of attempt ID, and removes the data that it prepared and did not put in place, and its snapshot. Nothing is removed
# while a job does not stop. systemctl exits with 5 if there is no such unit.
clear_attempt() {
  systemctl stop "kube-runbooks-restore-$1-*.service" || [ $? -eq 5 ] || exit 1
  rm -rf "$(restored_of "$1")" "$RESTORES/download" "$JOBS/restore-$1"-*
}
