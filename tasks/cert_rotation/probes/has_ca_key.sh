#!/bin/sh
# Checks whether a control plane node has the key of the cluster's CA. Changes nothing.
#
# Given:  PKI  kubeadm's folder with certificates
# Prints:  nothing
# Status:  0 if it has the key, 1 if not

test -e "$PKI/ca.key"
