"""What kubeadm calls what it lays down on a control plane node: static pods, folders, authorities."""

from enum import StrEnum


class Authority(StrEnum):
    """What can be rotated, as kubeadm calls it."""

    CLUSTER = "ca"
    ETCD = "etcd-ca"
    FRONT_PROXY = "front-proxy-ca"
    SERVICE_ACCOUNTS = "sa"
    """No certificate: the key pair that tokens are signed with and checked by."""


CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""The label of a control plane node."""

ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"

ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
"""In which static pods are started anew: each finds what it is a client of."""

AWAY_WITH = {ETCD: (API_SERVER,)}
"""Static pods that are useless while another one is away. An API server without its etcd accepts requests and answers none, for a
minute each: its clients hang, and its kubelet, which asks it before it starts etcd again."""

KUBELET = "kubelet"

KUBELET_CLIENT, KUBELET_SERVING = "kubelet-client", "kubelet-serving"

KUBELET_PKI = "/var/lib/kubelet/pki"

MANIFESTS = "/etc/kubernetes/manifests"
"""Where kubelet looks for static pods."""

PARKED = "/etc/kubernetes/kube-runbooks-parked"
"""Beside it, on the same file system: a move is one rename. Inside, kubelet would read it."""
