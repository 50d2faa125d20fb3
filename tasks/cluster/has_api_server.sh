#!/bin/sh
# Whether this is a control plane node: it has an API server's manifest, if only where a run that died has put it.
#
# Given:   KUBEADM  the folder of kubeadm
#          PARKED   the folder with manifests that are away
# Prints:  nothing
# Status:  0 where it is one

test -e "$KUBEADM/manifests/kube-apiserver.yaml" || test -e "$PARKED/kube-apiserver.yaml"
