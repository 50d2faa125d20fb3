"""Certificates of a cluster: what is on the disks of its nodes, what they serve, what the API has, and who made it."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class Kind(StrEnum):
    """What a certificate is for."""

    AUTHORITY = "authority"
    SERVING = "serving"
    CLIENT = "client"
    KUBECONFIG = "kubeconfig"
    """A client certificate inside of one."""
    TRUST = "trust"
    """An authority's certificate that somebody was told to believe: in a kubeconfig, in a `caBundle`."""


class Certificate(Model):
    """One certificate as a file, a kubeconfig or an object of the API has it. A bundle has several, by their place."""

    node: str = Field(default="", description="empty for an object of the API")
    path: str = Field(description="of the file; of the object and its field")
    place: int = Field(default=0, ge=0, description="in its file, from 0")
    kind: Kind
    name: str = Field(default="", description="as kubeadm calls it, for example apiserver-etcd-client")
    subject: str = Field(default="", description="as in RFC 4514")
    names: tuple[str, ...] = Field(default=(), description="SANs, as `DNS:x`, `IP:x`, `URI:x` or `email:x`")
    issuer: str = ""
    serial: str = Field(default="", description="hexadecimal, as openssl prints it")
    not_before: UtcTime | None = None
    not_after: UtcTime | None = None
    days_left: int | None = Field(default=None, description="whole days; negative once it has expired")
    key_type: str = Field(default="", description="for example RSA 2048, EC secp256r1, Ed25519")
    fingerprint: str = Field(default="", description="sha256 of the certificate")
    public_key: str = Field(default="", description="sha256 of its public key (SubjectPublicKeyInfo)")
    pair: bool | None = Field(default=None, description="the key on the node belongs to it; none without a key there")
    authority: str = Field(default="", description="path of the CA on disk that was to have signed it")
    signed: bool | None = Field(default=None, description="that CA did; none where there is none, or it signed itself")
    signer: str = Field(
        default="", description="fingerprint of the one that did: while it is rotated, its file has two"
    )
    self_signed: bool = Field(
        default=False, description="by itself, or by an authority made with it, which is behind it in the same file"
    )
    written_at: UtcTime | None = Field(default=None, description="of the file, by the node's clock")
    problem: str = Field(default="", description="why nothing else is known: not PEM, not there")

    @property
    def label(self) -> str:
        """`cp1: /etc/kubernetes/pki/apiserver.crt`."""
        numbered = f"{self.path} #{self.place + 1}" if self.place else self.path
        return f"{self.node}: {numbered}" if self.node else numbered

    @property
    def lifetime(self) -> timedelta:
        """That it was made for."""
        return self.not_after - self.not_before if self.not_after and self.not_before else timedelta()

    def left(self, now: datetime) -> timedelta | None:
        """Until it ends; none where that is not known."""
        return self.not_after - now if self.not_after else None


class PublicKey(Model):
    """A public key that is in no certificate, and the private one beside it: those that sign tokens of service accounts."""

    path: str
    public_key: str = Field(default="", description="sha256 of SubjectPublicKeyInfo; empty when it cannot be read")
    private: bool = Field(default=False, description="the private key is in that file")
    written_at: UtcTime | None = Field(default=None, description="of the file, by the node's clock")


class Process(Model):
    """A program of the cluster that runs on a node."""

    name: str
    started_at: UtcTime = Field(description="by the node's clock")
    container: str = Field(default="", description="id of its container; empty for a process of the host")


class Served(Model):
    """What a port of a node presents, asked from the node itself."""

    port: int
    name: str = Field(description="of the program, for example kube-apiserver")
    path: str = Field(default="", description="of the file it was told to serve; empty: it makes one in memory")
    certificate: Certificate | None = None
    process: Process | None = None
    problem: str = Field(default="", description="why there is no certificate")


class Kubeconfig(Model):
    """A kubeconfig on a node, without its secrets."""

    path: str
    server: str = ""
    names_file: str = Field(default="", description="the file with its certificate, where that is not in it")
    copy_of: str = Field(default="", description="the kubeconfig that it is a copy of, by the profile")
    mode: str = ""
    owner: str = Field(default="", description="uid:gid")
    missing: bool = False


class KubeletSettings(Model):
    """What a kubelet was told of its certificates."""

    rotates: bool = True
    asks_for_serving: bool = Field(
        default=False, description="serverTLSBootstrap: its serving certificate is requested"
    )
    serving_file: str = Field(default="", description="tlsCertFile; empty: its own in /var/lib/kubelet/pki")


class NodeCertificates(Model):
    """Everything of one node, at one moment."""

    name: str
    unreached: str = Field(default="", description="why nothing else is known")
    observed_at: UtcTime | None = Field(default=None, description="by the node's clock")
    hostname: str = ""
    addresses: tuple[str, ...] = Field(default=(), description="IPs that the machine itself has")
    advertises: str = Field(default="", description="address that its API server tells others (--advertise-address)")
    openssl: bool = Field(default=True, description="is there; without it keys and served certificates are not known")
    certificates: tuple[Certificate, ...] = ()
    public_keys: tuple[PublicKey, ...] = ()
    kubeconfigs: tuple[Kubeconfig, ...] = ()
    served: tuple[Served, ...] = ()
    processes: tuple[Process, ...] = ()
    manifests: dict[str, str] = Field(default={}, description="static pod to where its manifest is: active or parked")
    manifest_sums: dict[str, str] = Field(
        default={}, description="static pod to the sha256 of its manifest, without the flag that a CA rotation changes"
    )
    kubeadm: str = Field(default="", description="version of the program, as v1.37.2; empty where it does not run")
    kubelet: KubeletSettings = KubeletSettings()
    external: tuple[str, ...] = Field(
        default=(), description="authorities whose key is not there: theirs is kept elsewhere"
    )

    @property
    def is_control_plane(self) -> bool:
        """Has the manifest of an API server, wherever it is now."""
        return "kube-apiserver" in self.manifests

    def named(self, name: str) -> Certificate | None:
        """The first certificate that kubeadm calls so."""
        return next((one for one in self.certificates if one.name == name and not one.place), None)

    def process(self, name: str) -> Process | None:
        """A program that runs there."""
        return next((one for one in self.processes if one.name == name), None)


class Inventory(Model):
    """All certificates of a cluster at one moment."""

    observed_at: UtcTime
    nodes: tuple[NodeCertificates, ...]
    objects: tuple[Certificate, ...] = Field(
        default=(), description="caBundles of webhooks, of APIs and of conversions"
    )
    api_problem: str = Field(default="", description="why the API could not be asked for them")

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Of all nodes, and of the API."""
        return (*(one for node in self.nodes for one in node.certificates), *self.objects)

    @property
    def control_planes(self) -> tuple[NodeCertificates, ...]:
        """In the order of the profile."""
        return tuple(node for node in self.nodes if node.is_control_plane)
