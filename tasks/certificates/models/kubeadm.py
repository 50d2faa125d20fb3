"""Certificates that kubeadm makes: what they are called, where they are, who signs them, and who has read them."""

from typing import ClassVar

from pydantic import Field

from tasks.certificates.models.inventory import Kind
from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER


class Leaf(Model):
    """A certificate that an authority signs, as it has to be."""

    COVERED: ClassVar[Reasons] = {
        "name authority path common_name organizations server client dns addresses asks": "what the certificate says, and where it lies"
    }

    name: str = Field(description="as kubeadm calls it, for example apiserver-etcd-client, or admin.conf")
    authority: str = Field(description="as kubeadm calls it, for example etcd-ca")
    path: str = Field(description="below kubeadm's folder: of the certificate, or of the kubeconfig that has it inside")
    common_name: str
    organizations: tuple[str, ...] = ()
    server: bool = False
    client: bool = False
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    asks: str = Field(default="", description="of a kubeconfig: the API server that it leads to")

    @property
    def subject(self) -> str:
        """As in RFC 4514, the last part first."""
        return ",".join([f"CN={self.common_name}", *(f"O={group}" for group in reversed(self.organizations))])

    @property
    def names(self) -> tuple[str, ...]:
        """SANs, as an inventory has them."""
        return (*(f"DNS:{name}" for name in self.dns), *(f"IP:{address}" for address in self.addresses))


ETCD_CA = "etcd-ca"

COMMON_NAMES = {"ca": "kubernetes"}
"""Of authorities that are not called as kubeadm calls them."""

KUBEADM_HOURS = 8760
"""That kubeadm makes a leaf for, unless its configuration says something else."""


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
            pods=(CONTROLLER_MANAGER,),
        ),
        Made(name="scheduler.conf", file="scheduler.conf", authority="ca", kind=Kind.KUBECONFIG, pods=(SCHEDULER,)),
    )
}
"""What `kubeadm certs renew` knows, by its name for it."""

NAMED_BY_CONFIGURATION = ("apiserver", "etcd-server", "etcd-peer")
"""Whose names are in kubeadm's configuration; phases of `kubeadm init phase certs` are called so, too."""

READERS = {
    "ca": (API_SERVER, CONTROLLER_MANAGER),
    "etcd-ca": (ETCD, API_SERVER),
    "front-proxy-ca": (API_SERVER, CONTROLLER_MANAGER),
    "sa": (API_SERVER, CONTROLLER_MANAGER),
}
"""Static pods that read an authority's file, or the keys of service accounts, when they start."""
