#!/bin/sh
# Removes the record of the API server that the kubelet used before an upgrade.
#
# Given:  KUBELET_SERVER  the file with the record
#
# Prints:  nothing
# Status:  0

rm -f "$KUBELET_SERVER"
