#!/bin/sh
# Ends a rotation on this node: its halves stay, under another name, for a person to destroy.
#
# Given:  FOLDER        kubeadm's
#         SIGNING_FILE  that nobody signs with any more, below FOLDER; empty: there is none
#         HALVES        where the old and the new one are laid down
#         ENDED         where they are from now on
#
# Prints:  nothing
# Status:  0, also where it has ended already

set -eu
[ -z "$SIGNING_FILE" ] || rm -f "$FOLDER/$SIGNING_FILE"
[ ! -d "$HALVES" ] || mv -T "$HALVES" "$ENDED"
