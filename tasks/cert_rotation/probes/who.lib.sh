#!/bin/sh
# Whom the API sees with kubeconfigs.
#
# Given:  KUBECONFIGS  a line for each

# Prints `who FILE` and the user, or `nobody FILE` and why. Prints nothing where there is no kubectl.
ask_who() {
  command -v kubectl > /dev/null || return 0
  while IFS= read -r file <&3; do
    [ -n "$file" ] || continue
    if said=$(kubectl --kubeconfig "$file" --request-timeout=15s auth whoami -o 'jsonpath={.status.userInfo.username}' 2>&1); then
      echo "who $file $said"
    else
      echo "nobody $file $(echo "$said" | tail -n 1)"
    fi
  done 3<< END
$KUBECONFIGS
END
}
