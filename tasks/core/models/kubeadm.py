"""Defines kubeadm's names for what it places on a control plane node: static pods, folders, CAs."""

from enum import StrEnum


class Authority(StrEnum):
    """This enum lists what can be rotated, by kubeadm's names."""

    CLUSTER = "ca"
    ETCD = "etcd-ca"
    FRONT_PROXY = "front-proxy-ca"
    SERVICE_ACCOUNTS = "sa"
    """This is no certificate, but the key pair that signs and verifies tokens."""


CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""This is the label of a control plane node."""

ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"

ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
"""This is the order in which static pods are restarted: each one finds the server that it is a client of."""

AWAY_WITH = {ETCD: (API_SERVER,)}
"""Lists the static pods that are useless while another one is away.

An API server without its etcd accepts requests but answers none, for a minute each. Its clients hang, and so
does its kubelet, which queries it before it starts etcd again.
"""

KUBELET = "kubelet"

KUBELET_CLIENT, KUBELET_SERVING = "kubelet-client", "kubelet-serving"

KUBELET_PKI = "/var/lib/kubelet/pki"

PARKED = "/etc/kubernetes/kube-runbooks-parked"
"""This folder is next to kubeadm's static pod folder, on the same file system, so that a move is one rename.

Inside that folder the kubelet would read the manifests.
"""
