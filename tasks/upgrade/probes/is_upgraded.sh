#!/bin/sh
# Checks whether kubeadm has finished on this node.
#
# Given:  UPGRADED  the file that exists if it has
#
# Prints:  nothing
# Status:  0 if it has, 1 if not

test -e "$UPGRADED"
