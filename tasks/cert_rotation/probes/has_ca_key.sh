#!/bin/sh
# Whether a control plane node has the key of the cluster's CA. Changes nothing.
#
# Given:  FOLDER  kubeadm's
# Prints:  nothing
# Status:  0 where the key is there, 1 where it is not

test -e "$FOLDER/pki/ca.key"
