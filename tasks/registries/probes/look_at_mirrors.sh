#!/bin/sh
# Prints the folders that containerd has for registries, with their hosts.toml. Changes nothing.
# Standard input has the folders that may be there, a line each.
#
# Prints:  `folder PATH` for each that is there; `hosts PATH TEXT` for its hosts.toml, which may have secrets, in base64; a path is one word
# Status:  0

. tasks/core/words.lib.sh

while IFS= read -r folder; do
  [ -d "$folder" ] || continue
  echo "folder $(as_word "$folder")"
  [ ! -e "$folder/hosts.toml" ] || echo "hosts $(as_word "$folder") $(base64 -w0 < "$folder/hosts.toml")"
done
exit 0
