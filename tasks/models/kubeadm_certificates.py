"""Certificates that kubeadm makes: what they are called, where they are, who signs them, and who has read them."""

from tasks.models.base import Model
from tasks.models.certificates import Kind

ETCD, API_SERVER, CONTROLLERS, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"
ORDER = (ETCD, API_SERVER, CONTROLLERS, SCHEDULER)
"""In which static pods are started anew: each finds what it is a client of."""

AWAY_WITH = {ETCD: (API_SERVER,)}
"""Static pods that are useless while another one is away. An API server without its etcd accepts requests and answers none, for a
minute each: its clients hang, and its kubelet, which asks it before it starts etcd again."""

KUBELET = "kubelet"
KUBELET_CLIENT, KUBELET_SERVING = "kubelet-client", "kubelet-serving"
KUBELET_PKI = "/var/lib/kubelet/pki"


class Made(Model):
    """One of kubeadm's certificates."""

    name: str
    file: str
    """Below kubeadm's folder."""
    authority: str
    kind: Kind
    pods: tuple[str, ...] = ()
    """That read it when they start, and have to be started anew for another one."""


AUTHORITIES = {"ca": "pki/ca.crt", "etcd-ca": "pki/etcd/ca.crt", "front-proxy-ca": "pki/front-proxy-ca.crt"}
"""Name to file below kubeadm's folder; its key is beside it."""

LEAVES = {
    one.name: one
    for one in (
        Made(name="etcd-server", file="pki/etcd/server.crt", authority="etcd-ca", kind=Kind.SERVING, pods=(ETCD,)),
        Made(name="etcd-peer", file="pki/etcd/peer.crt", authority="etcd-ca", kind=Kind.SERVING, pods=(ETCD,)),
        Made(
            name="etcd-healthcheck-client",
            file="pki/etcd/healthcheck-client.crt",
            authority="etcd-ca",
            kind=Kind.CLIENT,
        ),
        Made(
            name="apiserver-etcd-client",
            file="pki/apiserver-etcd-client.crt",
            authority="etcd-ca",
            kind=Kind.CLIENT,
            pods=(API_SERVER,),
        ),
        Made(name="apiserver", file="pki/apiserver.crt", authority="ca", kind=Kind.SERVING, pods=(API_SERVER,)),
        Made(
            name="apiserver-kubelet-client",
            file="pki/apiserver-kubelet-client.crt",
            authority="ca",
            kind=Kind.CLIENT,
            pods=(API_SERVER,),
        ),
        Made(
            name="front-proxy-client",
            file="pki/front-proxy-client.crt",
            authority="front-proxy-ca",
            kind=Kind.CLIENT,
            pods=(API_SERVER,),
        ),
        Made(name="admin.conf", file="admin.conf", authority="ca", kind=Kind.KUBECONFIG),
        Made(name="super-admin.conf", file="super-admin.conf", authority="ca", kind=Kind.KUBECONFIG),
        Made(
            name="controller-manager.conf",
            file="controller-manager.conf",
            authority="ca",
            kind=Kind.KUBECONFIG,
            pods=(CONTROLLERS,),
        ),
        Made(name="scheduler.conf", file="scheduler.conf", authority="ca", kind=Kind.KUBECONFIG, pods=(SCHEDULER,)),
    )
}
"""What `kubeadm certs renew` knows, by its name for it."""

NAMED_BY_CONFIGURATION = ("apiserver", "etcd-server", "etcd-peer")
"""Whose names are in kubeadm's configuration; phases of `kubeadm init phase certs` are called so, too."""

READERS = {
    "ca": (API_SERVER, CONTROLLERS),
    "etcd-ca": (ETCD, API_SERVER),
    "front-proxy-ca": (API_SERVER, CONTROLLERS),
    "sa": (API_SERVER, CONTROLLERS),
}
"""Static pods that read an authority's file, or the keys of service accounts, when they start."""
