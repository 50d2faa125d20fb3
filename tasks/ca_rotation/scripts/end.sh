#!/bin/sh
# Finishes a rotation on this node. Its halves stay under another name, until a person destroys them.
#
# Given:  SIGNING  the file that is no longer used for signing; empty if there is none
#         HALVES   the folder with the old and the new half
#         ENDED    the new name of that folder
#
# Prints:  nothing
# Status:  0, also if it has finished already

set -eu
[ -z "$SIGNING" ] || rm -f "$SIGNING"
[ ! -d "$HALVES" ] || mv -T "$HALVES" "$ENDED"
