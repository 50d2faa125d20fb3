#!/bin/sh
# Functions that scripts of several folders use.

# Replaces a file with another one, and keeps its owner and mode.
like() { # NEW OLD
  chown --reference="$2" "$1"
  chmod --reference="$2" "$1"
  mv -fT "$1" "$2"
  ! command -v restorecon > /dev/null || restorecon -F "$2"
}

# Copies a kubeconfig into a new file in which it trusts these CAs.
believe() { # KUBECONFIG CA_FILE NEW
  awk -v all="$(base64 -w0 < "$2")" '
    $1 == "certificate-authority-data:" { $0 = substr($0, 1, index($0, ":")) " " all }
    { print }
  ' "$1" > "$3"
}
