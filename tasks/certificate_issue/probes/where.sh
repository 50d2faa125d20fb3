#!/bin/sh
# Prints where kubeadm's pki folder is on this machine, with links followed. Changes nothing.
#
# Given:   PKI  its configured path
# Prints:  its path, also if it does not exist
# Status:  0

realpath -m "$PKI"
