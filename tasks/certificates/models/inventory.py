"""Holds the models of a cluster's certificates.

They describe the certificates on its nodes, those that its ports serve, those in the API, and their makers.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.kubeadm import KUBELET_PKI

SERVER, CLIENT = "serverAuth", "clientAuth"
"""These are the names that openssl uses for extended key usages."""


class Kind(StrEnum):
    """Describes what a certificate is used for."""

    AUTHORITY = "authority"
    SERVING = "serving"
    CLIENT = "client"
    KUBECONFIG = "kubeconfig"
    """This is a client certificate inside a kubeconfig."""
    TRUST = "trust"
    """This is a CA certificate that a kubeconfig or a `caBundle` trusts."""


class Owner(StrEnum):
    """Names who makes and renews a certificate."""

    KUBEADM = "kubeadm"
    KUBELET = "the kubelet"
    OTHER = "not kubeadm's"
    """Somebody gave it to a program by a flag or a configuration, or put it next to kubeadm's certificates.

    No runbook renews it.
    """


class Certificate(Model):
    """Describes one certificate from a file, a kubeconfig or an API object.

    A bundle has several certificates. Their `place` tells them apart.
    """

    node: str = Field(default="", description="empty for an object of the API")
    path: str = Field(description="of the file; of the object and its field")
    place: int = Field(default=0, ge=0, description="in its file, from 0")
    kind: Kind
    name: str = Field(default="", description="as kubeadm calls it, for example apiserver-etcd-client")
    owner: Owner | None = Field(
        default=None, description="none of what is trusted, and of kubeconfigs that only people use"
    )
    named_by: str = Field(
        default="", description="the flag that names it, for example `--tls-sni-cert-key of kube-apiserver`"
    )
    subject: str = Field(default="", description="as in RFC 4514")
    names: tuple[str, ...] = Field(default=(), description="SANs, as `DNS:x`, `IP:x`, `URI:x` or `email:x`")
    usages: tuple[str, ...] = Field(
        default=(), description="extended key usages, as `serverAuth`, `clientAuth` or an OID; none: good for all"
    )
    issuer: str = ""
    serial: str = Field(default="", description="hexadecimal, as openssl prints it")
    not_before: UtcTime | None = None
    not_after: UtcTime | None = None
    days_left: int | None = Field(default=None, description="whole days; negative once it has expired")
    key_type: str = Field(default="", description="for example RSA 2048, EC secp256r1, Ed25519")
    fingerprint: str = Field(default="", description="sha256 of the certificate")
    public_key: str = Field(default="", description="sha256 of its public key (SubjectPublicKeyInfo)")
    pair: bool | None = Field(default=None, description="the key on the node belongs to it; none without a key there")
    key_problem: str = Field(
        default="",
        description="why the key that belongs to it is not known: it is not there, or openssl does not read it",
    )
    authority: str = Field(default="", description="path of the CA on disk that was to have signed it")
    signed: bool | None = Field(default=None, description="that CA did; none where there is none, or it signed itself")
    signer: str = Field(
        default="", description="fingerprint of the one that did: while it is rotated, its file has two"
    )
    self_signed: bool = Field(
        default=False, description="by itself, or by a CA made with it that follows it in the same file"
    )
    written_at: UtcTime | None = Field(default=None, description="of the file, by the node's clock")
    problem: str = Field(default="", description="why nothing else is known: not PEM, not there")
    absent: bool = Field(default=False, description="there is no such file, and something needs it")

    @property
    def label(self) -> str:
        """Returns the node and the path of the certificate, for example `cp1: /etc/kubernetes/pki/apiserver.crt`."""
        numbered = f"{self.path} #{self.place + 1}" if self.place else self.path
        return f"{self.node}: {numbered}" if self.node else numbered

    @property
    def lifetime(self) -> timedelta:
        """Returns the total validity of the certificate, or zero if its dates are unknown."""
        return self.not_after - self.not_before if self.not_after and self.not_before else timedelta()

    @property
    def is_others(self) -> bool:
        """True if a program is configured with this certificate, no runbook renews it, and it is not a CA."""
        return self.owner is Owner.OTHER and bool(self.named_by) and self.kind not in {Kind.AUTHORITY, Kind.TRUST}

    def left(self, now: datetime) -> timedelta | None:
        """Returns the time until the certificate expires, or None if that is unknown."""
        return self.not_after - now if self.not_after else None


class PublicKey(Model):
    """Describes a key for service-account tokens: a public key that no certificate contains, or its private key."""

    path: str
    public_key: str = Field(default="", description="sha256 of SubjectPublicKeyInfo; empty when it cannot be read")
    private: bool = Field(default=False, description="the private key is in that file")
    written_at: UtcTime | None = Field(default=None, description="of the file, by the node's clock")


class Process(Model):
    """Describes a program of the cluster that runs on a node."""

    name: str
    started_at: UtcTime = Field(description="by the node's clock")
    container: str = Field(default="", description="id of its container; empty for a process of the host")


class Served(Model):
    """Describes what a port of a node presents. The node itself asks the port."""

    port: int
    name: str = Field(description="of the program, for example kube-apiserver")
    path: str = Field(
        default="",
        description="certificate in the file that it is configured to serve; empty if it makes one in memory",
    )
    certificate: Certificate | None = None
    process: Process | None = None
    problem: str = Field(default="", description="why there is no certificate")


class Kubeconfig(Model):
    """Describes a kubeconfig on a node, without its secrets."""

    path: str
    server: str = ""
    names_file: str = Field(default="", description="the file with its certificate, where that is not in it")
    copy_of: str = Field(default="", description="the kubeconfig that it is a copy of, by the profile")
    mode: str = ""
    owner: str = Field(default="", description="uid:gid")
    missing: bool = False
    problem: str = Field(default="", description="why nothing else is known of it, or of one that is not there")
    pointed: str = Field(
        default="", description="of the kubelet's, with a certificate in it: the same with the name of its file instead"
    )


class KubeletSettings(Model):
    """Describes the kubelet settings that concern its certificates."""

    asks_for_serving: bool = Field(
        default=False, description="serverTLSBootstrap: its serving certificate is requested"
    )
    serving_file: str = Field(default="", description="tlsCertFile; empty: its own in its folder")
    kubeconfig: str = Field(default="/etc/kubernetes/kubelet.conf", description="by which it asks the API")
    pki: str = Field(default=KUBELET_PKI, description="the folder with its own certificates")


class NodeCertificates(Model):
    """Describes everything known about the certificates of one node at one moment."""

    name: str
    unreached: str = Field(default="", description="why nothing else is known")
    observed_at: UtcTime | None = Field(default=None, description="by the node's clock")
    hostname: str = ""
    addresses: tuple[str, ...] = Field(default=(), description="IPs that the machine itself has")
    advertises: str = Field(default="", description="address that its API server tells others (--advertise-address)")
    pki: str = Field(
        default="", description="kubeadm's folder with certificates (certificatesDir), as its API server has it"
    )
    problems: tuple[str, ...] = Field(default=(), description="what was not found there or not understood, and why")
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
    split_pairs: dict[str, str] = Field(
        default={},
        description="leaf of which a static pod uses only the certificate or only the key of kubeadm, to the flags that say so",
    )
    external: tuple[str, ...] = Field(default=(), description="CAs without a key on the node: their key is elsewhere")

    @property
    def is_control_plane(self) -> bool:
        """True if the node has the manifest of an API server, active or parked."""
        return "kube-apiserver" in self.manifests

    @property
    def kubelet_kubeconfig(self) -> Kubeconfig | None:
        """Returns the kubeconfig that the kubelet uses for the API, or None if the node has none."""
        return next((one for one in self.kubeconfigs if one.path == self.kubelet.kubeconfig), None)

    def is_authority(self, path: str, name: str) -> bool:
        """Checks whether a file contains the CA with this name."""
        return any(one.path == path and one.name == name for one in self.certificates)

    def named(self, name: str) -> Certificate | None:
        """Returns the first certificate with this kubeadm name, or None."""
        return next((one for one in self.certificates if one.name == name and not one.place), None)

    def process(self, name: str) -> Process | None:
        """Returns the program with this name that runs on the node, or None."""
        return next((one for one in self.processes if one.name == name), None)


class Inventory(Model):
    """Lists all certificates of a cluster at one moment."""

    observed_at: UtcTime
    nodes: tuple[NodeCertificates, ...]
    objects: tuple[Certificate, ...] = Field(
        default=(), description="caBundles of webhooks, of APIs and of conversions"
    )
    api_problem: str = Field(default="", description="why the API could not be asked for them")

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Returns the certificates of all nodes, then those of the API."""
        return (*(one for node in self.nodes for one in node.certificates), *self.objects)

    @property
    def control_planes(self) -> tuple[NodeCertificates, ...]:
        """Returns the control plane nodes in the order of the profile."""
        return tuple(node for node in self.nodes if node.is_control_plane)
