#!/bin/sh
# Prints when the previous files were restored, by the node's clock. Changes nothing.
#
# Given:  PUT_BACK  the mark that they are
# Prints:  the seconds since 1970; nothing if they were not
# Status:  0

[ ! -e "$PUT_BACK" ] || stat -c %Y "$PUT_BACK"
