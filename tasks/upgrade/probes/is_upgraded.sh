#!/bin/sh
# Whether kubeadm has come to its end on this node.
#
# Given:  UPGRADED  the file whose being there says so
#
# Prints:  nothing
# Status:  0 when it has

test -e "$UPGRADED"
