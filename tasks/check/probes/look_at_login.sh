#!/bin/sh
# Prints which user runs this, and the login shell. Changes nothing.
#
# Prints:  uid NUMBER; user NAME; shell PATH, empty if the user database does not have it
# Status:  0

set -u

echo "uid $(id -u)"
echo "user $(id -un)"
echo "shell $(getent passwd "$(id -un)" | cut -d: -f7)"
