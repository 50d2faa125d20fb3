#!/bin/sh
# Prints what interrupted runs of any runbook have left on this node. Changes nothing.
#
# Given:   CERTIFICATES  the record of a rotation of certificates
#          RESTORE       the record of a restore of etcd
#          PATCH         the record of a patch of the operating system
#          HALVES        the folder with the halves of each rotation of a CA
#          CAS           their names
#          PARKED        the folder with parked manifests
# Prints:  `KIND SECONDS BASE64` for a record, `ca NAME SECONDS`, `parked NAME SECONDS`, `upgrade JOB` for a job that runs;
#          `unseen WORDS` if systemd does not say which jobs run
# Status:  0

# Prints a record that exists, and when it was changed.
record() { # KIND FILE
  [ ! -e "$2" ] || echo "$1 $(stat -c %Y "$2") $(base64 -w0 < "$2")"
}

record certificates "$CERTIFICATES"
record restore "$RESTORE"
record patch "$PATCH"
for name in $CAS; do
  folder=$HALVES/$name
  [ ! -d "$folder" ] || echo "ca $name $(stat -c %Y "$folder")"
done
for file in "$PARKED"/*.yaml; do
  [ ! -e "$file" ] || echo "parked $(basename "$file" .yaml) $(stat -c %Y "$file")"
done
if units=$(systemctl list-units --no-legend --plain --state=active,activating,deactivating 'kube-runbooks-*' 2>&1); then
  echo "$units" | sed -n 's/^kube-runbooks-\([^ ]*\)\.service.*/upgrade \1/p'
else
  echo "unseen $units" | tr '\n' ' '
  echo
fi
