#!/bin/sh
# Rewrites files of package sources. Standard input: `BEFORE AFTER PATH`, in base64 each but the path. A file that is correct already stays.
#
# Prints:  nothing
# Status:  1 if a file has changed since it was read: it is not touched, and stderr names it

# Checks whether the file $1 has the text $2, given in base64.
is_text() {
  [ "$(base64 -w0 < "$1")" = "$2" ]
}

set -eu
while read -r before after path; do
  ! is_text "$path" "$after" || continue
  if ! is_text "$path" "$before"; then
    echo "$path was changed by somebody else meanwhile" >&2
    exit 1
  fi
  file=$(readlink -f "$path")
  cp -a "$file" "$file.kube-runbooks"
  echo "$after" | base64 -d > "$file.kube-runbooks"
  mv "$file.kube-runbooks" "$file"
done
