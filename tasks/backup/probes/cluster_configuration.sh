#!/bin/sh
# Prints the ConfigMap in which kubeadm keeps its configuration. Changes nothing.
#
# Given:   CONFIG  a kubeconfig of the node
# Prints:  YAML
# Status:  that of kubectl

kubectl --kubeconfig "$CONFIG" --request-timeout 15s -n kube-system get configmap kubeadm-config -o yaml
