#!/bin/sh
# Asks the API which user it sees with kubeconfigs.
#
# Given:  KUBECONFIGS  a line for each

. tasks/core/words.lib.sh

# Prints `who FILE` and the user, or `nobody FILE` and why; the file with %20 for a space. Prints nothing if there is no kubectl.
ask_who() {
  command -v kubectl > /dev/null || return 0
  while IFS= read -r file <&3; do
    [ -n "$file" ] || continue
    word=$(as_word "$file")
    if said=$(kubectl --kubeconfig "$file" --request-timeout=15s auth whoami -o 'jsonpath={.status.userInfo.username}' 2>&1); then
      echo "who $word $said"
    else
      echo "nobody $word $(echo "$said" | tail -n 1)"
    fi
  done 3<< END
$KUBECONFIGS
END
}
