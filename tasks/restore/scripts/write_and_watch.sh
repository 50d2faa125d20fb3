#!/bin/sh
# Writes an object, reads it, watches it from before its write, and opens a watch as a client from before the restore would.
#
# Given:  NAME          of the ConfigMap in kube-system
#         BODY          of it, as JSON
#         OLD_REVISION  from before the restore
#
# Prints:  lines `read ID REVISION`, `watched EVENTS` and `old ANSWER`
# Status:  another one than 0 where the object cannot be written, read or watched

. tasks/restore/scripts/kubectl.lib.sh

set -e

namespace=/api/v1/namespaces/kube-system
watch="$namespace/configmaps?watch=1&timeoutSeconds=3&fieldSelector=metadata.name=$NAME"
old="/api/v1/namespaces?watch=1&timeoutSeconds=3&resourceVersion=$OLD_REVISION"

newest_revision() {
  as_administrator get --raw "$namespace/configmaps?limit=1" \
    | sed -n 's/.*"metadata":{"resourceVersion":"\([0-9]*\)".*/\1/p'
}

write_object() {
  printf '%s' "$BODY" \
    | as_administrator apply --server-side --field-manager=kube-runbooks --force-conflicts -f - > /dev/null
}

read_object() {
  as_administrator get configmap -n kube-system "$NAME" -o 'jsonpath={.data.id} {.metadata.resourceVersion}'
}

revision=$(newest_revision)
write_object
echo "read $(read_object)"
echo "watched $(as_administrator get --raw "$watch&resourceVersion=$revision" | tr -d '\n')"
echo "old $(as_administrator get --raw "$old" 2>&1 | tr -d '\n' | head -c 400 || true)"
