"""Lists the certificates that kubeadm makes: their names, files and CAs, and the static pods that read them."""

from typing import ClassVar

from pydantic import Field

from tasks.certificates.models.inventory import Kind
from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER


class Leaf(Model):
    """Describes a certificate that a CA signs, as it must be."""

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
        """Returns the subject as in RFC 4514, with the last part first."""
        return ",".join([f"CN={self.common_name}", *(f"O={group}" for group in reversed(self.organizations))])

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the SANs in the format of an inventory."""
        return (*(f"DNS:{name}" for name in self.dns), *(f"IP:{address}" for address in self.addresses))


ETCD_CA = "etcd-ca"

COMMON_NAMES = {"ca": "kubernetes"}
"""Maps CAs to their common names, where these differ from kubeadm's own name for the CA."""

KUBEADM_HOURS = 8760
"""This is the validity of kubeadm's leaf certificates in hours, unless kubeadm's configuration sets another one."""


class Made(Model):
    """Describes one of the certificates that kubeadm makes."""

    name: str
    file: str
    """It names the file, relative to kubeadm's folder."""
    authority: str
    kind: Kind
    pods: tuple[str, ...] = ()
    """It lists the static pods that read the file at start, and must restart to use a new one."""


AUTHORITIES = {"ca": "pki/ca.crt", "etcd-ca": "pki/etcd/ca.crt", "front-proxy-ca": "pki/front-proxy-ca.crt"}
"""Maps the name of each CA to its file, relative to kubeadm's folder. The key of the CA is in the same folder."""

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
"""Lists the certificates that `kubeadm certs renew` knows, by its name for them."""

NAMED_BY_CONFIGURATION = ("apiserver", "etcd-server", "etcd-peer")
"""Names the certificates whose SANs come from kubeadm's configuration.

Phases of `kubeadm init phase certs` have the same names.
"""

READERS = {
    "ca": (API_SERVER, CONTROLLER_MANAGER),
    "etcd-ca": (ETCD, API_SERVER),
    "front-proxy-ca": (API_SERVER, CONTROLLER_MANAGER),
    "sa": (API_SERVER, CONTROLLER_MANAGER),
}
"""Lists the static pods that read a CA file, or the service-account keys, when they start."""
