"""A cluster's profile: where its members, nodes and backups are, and references to (never values of) its secrets."""

from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Duration, Model, TimeZone
from tasks.core.models.recipients import AgeRecipient
from tasks.core.models.retention import Retention
from tasks.core.models.windows import Window

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A DNS label (RFC 1123): safe as a file name, in an object key and in a Lease."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
ClusterName = Name
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _is_a_secret_reference(text: str) -> str:
    kind, separator, rest = text.partition(":")
    if not separator or kind not in {"file", "env", "prefect"} or not rest or "\n" in text:
        message = "an inline secret or an unknown kind of reference; write file:PATH, env:NAME or prefect:BLOCK"
        raise ValueError(message)
    return text


SecretRef = Annotated[str, AfterValidator(_is_a_secret_reference)]
"""Where a secret is: `file:PATH`, `env:NAME` or `prefect:BLOCK` (a Prefect Secret block). Never the secret itself."""


def _is_absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or " " in str(path):
        message = "a path on the node has to be absolute, and without a space"
        raise ValueError(message)
    return path


NodePath = Annotated[PurePosixPath, AfterValidator(_is_absolute)]
"""An absolute path on a node."""


class Route(StrEnum):
    """How the worker reaches etcd's data."""

    DIRECT = "direct"
    """gRPC with mTLS from the worker to the member's own address."""
    TUNNEL = "tunnel"
    """The same gRPC through SSH to the node's own 127.0.0.1:2379, with the node's own client certificate."""
    NODE = "node"
    """The node takes the snapshot and uploads it itself; the worker only asks, through SSH."""


RouteChoice = Literal["auto", "direct", "tunnel", "node"]
"""What an operator may ask for; `auto` takes `direct` where it works and `tunnel` where it does not."""


class SshGateway(Model):
    """A bastion between the worker and the nodes; its host key is checked as strictly as a node's."""

    LEFT_OUT: ClassVar[Reasons] = {"address port user key": ACCESS}

    address: HostName
    port: Port = 22
    user: str | None = Field(default=None, description="default: the user of the nodes")
    key: SecretRef | None = Field(default=None, description="default: the key of the nodes")


class Ssh(Model):
    """How the worker logs in to the nodes."""

    COVERED: ClassVar[Reasons] = {"gateway": "named field by field"}
    LEFT_OUT: ClassVar[Reasons] = {"user key known_hosts sudo": ACCESS}

    user: str = Field(min_length=1)
    key: SecretRef = Field(description="private key, for example file:/etc/kube-runbooks/id_ed25519")
    known_hosts: str = Field(description="path of an OpenSSH known_hosts file; a host that is not in it is refused")
    sudo: bool = Field(default=True, description="prefix privileged commands with 'sudo -n'; false when `user` is root")
    gateway: SshGateway | None = None


class Node(Model):
    """A machine of the cluster, by the name that Kubernetes knows it by."""

    COVERED: ClassVar[Reasons] = {"name address port": "the machine behind a name"}

    name: HostName
    address: HostName = Field(description="where SSH reaches it, as the worker or the gateway resolves it")
    port: Port = 22


class Kubeadm(Model):
    """How kubeadm set the control plane nodes up."""

    COVERED: ClassVar[Reasons] = {"folder": "what is rewritten lies there"}

    folder: NodePath = Field(
        default=PurePosixPath("/etc/kubernetes"), description="with `pki` and `manifests` in it, on every such node"
    )


class Kubernetes(Model):
    """How the worker reaches the API."""

    COVERED: ClassVar[Reasons] = {"kubeconfig port": "the API that is asked and changed; a reference, never the secret"}

    kubeconfig: SecretRef | None = Field(
        default=None,
        description="of an administrator, for example file:/etc/kube-runbooks/prod.conf; default: a control plane node's own "
        "admin.conf, through SSH",
    )
    port: Port = Field(default=6443, description="of the API server on a control plane node")


class UpgradeRules(Model):
    """What upgrades of this cluster have to know."""

    COVERED: ClassVar[Reasons] = {"ignore_preflight_errors": "a check that nobody makes any more"}

    ignore_preflight_errors: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")], ...] = Field(
        default=(), description="of kubeadm, for example SystemVerification"
    )


class SiteGate(Model):
    """What a site wants to hold before and after each act: a command, a condition of an object, or a query of Prometheus."""

    COVERED: ClassVar[Reasons] = {"name command on object condition query url at_most at_least": "what stops the run"}

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")]
    command: str = Field(
        default="", description="a line of shell, as root on the node `on`; status 0 lets the run go on"
    )
    on: HostName | None = Field(default=None, description="for a command: name of an entry of `nodes`")
    object: Annotated[str, StringConstraints(pattern=r"^$|^/apis?/\S+$")] = Field(
        default="", description="path of an object in the API, for example /apis/apps/v1/namespaces/x/deployments/y"
    )
    condition: str = Field(default="Available", description="of the object, which has to be True")
    query: str = Field(default="", description="PromQL; each value that it gives is compared, none at all is fine")
    url: Annotated[str, StringConstraints(pattern=r"^$|^https?://[^/@\s]+(/\S*)?$")] = Field(
        default="", description="of Prometheus, for a query"
    )
    at_most: float | None = Field(default=None, description="for a query: the largest value that is good")
    at_least: float | None = Field(default=None, description="for a query: the smallest value that is good")

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        if sum(map(bool, (self.command, self.object, self.query))) != 1:
            message = f"gate {self.name!r}: give one of command, object and query"
            raise ValueError(message)
        if self.command and not self.on:
            message = f"gate {self.name!r}: a command needs `on`, the name of a node"
            raise ValueError(message)
        if self.query and (not self.url or (self.at_most is None and self.at_least is None)):
            message = f"gate {self.name!r}: a query needs `url`, and at_most or at_least"
            raise ValueError(message)
        return self


class AlertRules(Model):
    """Which alerts mean that nothing may be disturbed."""

    COVERED: ClassVar[Reasons] = {"url query": "what stops the run"}

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+(/\S*)?$")] = Field(description="of Prometheus")
    query: Annotated[str, StringConstraints(min_length=1)] = Field(
        default='ALERTS{alertstate="firing", alertname!~"Watchdog|InfoInhibitor"}',
        description="PromQL; each series that it gives is an alert that blocks",
    )


class Console(Model):
    """How the console of a machine is read that does not come back, for example by its management controller."""

    COVERED: ClassVar[Reasons] = {"command node": "it is run as root"}

    command: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="a line of shell, as root on the node `node`; $NODE is the name of the machine that is asked about"
    )
    node: HostName = Field(description="name of an entry of `nodes`")


class MaintenanceRules(Model):
    """When nodes may be disturbed, what forbids it, and what is never touched on them."""

    COVERED: ClassVar[Reasons] = {
        "windows node_takes margin_percent alerts protect console": "when nodes may be disturbed, and what is never touched"
    }

    windows: tuple[Window, ...] = Field(default=(), description="none: at any time")
    node_takes: Duration = Field(
        default=timedelta(minutes=20),
        gt=timedelta(0),
        description="how long a node is expected to take that no earlier run has done",
    )
    margin_percent: int = Field(default=50, ge=0, le=1000, description="on top of what a node is expected to take")
    alerts: AlertRules | None = Field(default=None, description="of Prometheus: while one fires no node is disturbed")
    protect: tuple[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.+_-]*$")], ...] = Field(
        default=(), description="packages that are not touched either, for example the driver of a GPU"
    )
    console: Console | None = None


class KubeconfigCopy(Model):
    """A copy of one of kubeadm's kubeconfigs that somebody uses on a node, and that a rotation has to refresh."""

    COVERED: ClassVar[Reasons] = {"path of nodes": "a file that is rewritten"}

    path: NodePath = Field(description="for example /root/.kube/config")
    of: Literal["admin.conf", "super-admin.conf"] = "admin.conf"
    nodes: tuple[HostName, ...] = Field(default=(), description="names of entries of `nodes`; empty: all that have it")


class CertificateRules(Model):
    """What the certificates of this cluster have to be, and who else has copies of them."""

    COVERED: ClassVar[Reasons] = {"kubeconfigs": "files that are rewritten"}
    LEFT_OUT: ClassVar[Reasons] = {
        "warn_before warn_before_ca": "when a person is warned; the caution itself is covered"
    }

    warn_before: Duration = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="certificate_inventory fails while a certificate ends within it, for example 30d",
    )
    warn_before_ca: Duration = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="the same for an authority, which takes long to replace",
    )
    kubeconfigs: tuple[KubeconfigCopy, ...] = Field(default=(), description="copies on nodes that are kept in step")


class EtcdOnNode(Model):
    """Where the node itself keeps a client certificate for etcd and listens on loopback (kubeadm's defaults)."""

    COVERED: ClassVar[Reasons] = {
        "address port server_name ca certificate key": "which member answers there; paths, never a secret"
    }

    address: HostName = "127.0.0.1"
    port: Port = 2379
    server_name: HostName = Field(default="localhost", description="a name that the member's certificate is for")
    ca: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/ca.crt")
    certificate: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.crt")
    key: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.key")


class EtcdEndpoint(Model):
    """A member's client URL, and the node it runs on (for the tunnel)."""

    COVERED: ClassVar[Reasons] = {"url node on_node": "which member it is"}

    url: Annotated[str, StringConstraints(pattern=r"^https://[^/@\s]+:\d+$")]
    node: HostName | None = Field(default=None, description="name of an entry of `nodes`; needed for the tunnel")
    on_node: EtcdOnNode | None = Field(default=None, description="default: that of `etcd`")


class EtcdClientFiles(Model):
    """The worker's own client certificate for etcd (the direct route)."""

    LEFT_OUT: ClassVar[Reasons] = {"ca certificate key": ACCESS}

    ca: SecretRef
    certificate: SecretRef
    key: SecretRef


class Etcd(Model):
    """The cluster's etcd: its members, and how the worker may talk to them."""

    COVERED: ClassVar[Reasons] = {"endpoints client on_node": "named field by field"}

    endpoints: tuple[EtcdEndpoint, ...] = Field(
        default=(), description="default: found on the nodes, in the manifests of the control plane"
    )
    client: EtcdClientFiles | None = Field(default=None, description="for the direct route; without it only the tunnel")
    on_node: EtcdOnNode = EtcdOnNode()


class ObjectLock(Model):
    """S3 Object Lock for every object of a backup; the bucket must have it enabled."""

    COVERED: ClassVar[Reasons] = {"mode days": "how long nobody can delete a backup"}

    mode: Literal["GOVERNANCE", "COMPLIANCE"]
    days: int = Field(ge=1, le=36500)


class Store(Model):
    """The S3 bucket that keeps backups and reports."""

    COVERED: ClassVar[Reasons] = {
        "bucket prefix region endpoint kms_key storage_class object_lock": "where a backup goes, and how it is kept"
    }
    LEFT_OUT: ClassVar[Reasons] = {"ca access_key secret_key": ACCESS}

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?$")] = ""
    region: str = "us-east-1"
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+$")] | None = Field(
        default=None, description="of an S3 server that is not AWS; path-style addressing is used then"
    )
    ca: str | None = Field(default=None, description="path of a CA bundle for the endpoint; default: the system's")
    access_key: SecretRef | None = Field(
        default=None, description="default: boto3's own chain (role, environment, profile)"
    )
    secret_key: SecretRef | None = None
    kms_key: str | None = Field(default=None, description="id or ARN of a KMS key: SSE-KMS for every object")
    storage_class: str | None = None
    object_lock: ObjectLock | None = None

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            message = "access_key and secret_key come as a pair; give both, or neither for boto3's own chain"
            raise ValueError(message)
        return self


class BackupRules(Model):
    """What a backup of this cluster means: its route, how long it is kept, how old the newest may be."""

    COVERED: ClassVar[Reasons] = {
        "route retention stale_upload_age time_zone": "what the backup of an upgrade reads and deletes",
        "recipients": "who can read key material",
    }
    LEFT_OUT: ClassVar[Reasons] = {"rpo": "when a person is told that backups are too old"}

    route: RouteChoice = "auto"
    retention: Retention = Retention(last=7, daily=14, weekly=8, monthly=12)
    rpo: Duration = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        description="recovery point objective: the newest good backup is never older, for example 26h",
    )
    stale_upload_age: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="unfinished uploads of ours older than this are aborted",
    )
    time_zone: TimeZone = "UTC"
    recipients: tuple[AgeRecipient, ...] = Field(
        default=(), description="for whom key material (pki=true) is encrypted: any one of them can read it"
    )


class ClusterProfile(Model):
    """One YAML file in `$KUBE_RUNBOOKS_CLUSTERS`, named as the cluster. It holds no secret, only references."""

    COVERED: ClassVar[Reasons] = {
        "name nodes": "which machines are touched",
        "ssh": "named field by field",
        "kubeadm kubernetes etcd": "which files, which API and which members are meant",
        "upgrade maintenance gates": "they allow and forbid",
        "certificates": "copies of kubeconfigs are rewritten",
        "store backup": "where the backup of an upgrade goes, and which ones its retention deletes",
    }

    name: Name
    nodes: tuple[Node, ...] = ()
    ssh: Ssh | None = None
    kubeadm: Kubeadm = Kubeadm()
    kubernetes: Kubernetes = Kubernetes()
    upgrade: UpgradeRules = UpgradeRules()
    maintenance: MaintenanceRules = MaintenanceRules()
    certificates: CertificateRules = CertificateRules()
    gates: tuple[SiteGate, ...] = ()
    etcd: Etcd = Etcd()
    store: Store
    backup: BackupRules = BackupRules()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = [node.name for node in self.nodes]
        if twice := sorted({name for name in known if known.count(name) > 1}):
            message = f"nodes: named twice: {', '.join(twice)}"
            raise ValueError(message)
        for gate in self.gates:
            if gate.on is not None and gate.on not in known:
                message = f"gates: {gate.name!r} runs on {gate.on!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        console = self.maintenance.console
        if console and console.node not in known:
            message = f"maintenance.console: it runs on {console.node!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
            raise ValueError(message)
        for endpoint in self.etcd.endpoints:
            if endpoint.node is not None and endpoint.node not in known:
                message = f"etcd.endpoints: {endpoint.url} runs on node {endpoint.node!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        if not self.etcd.endpoints and not (self.ssh and self.nodes):
            message = "etcd.endpoints: none; name the members, or give ssh and nodes, where they are found"
            raise ValueError(message)
        if self.etcd.client is None and self.ssh is None:
            message = (
                "etcd.client or ssh is needed: without a client certificate and without SSH there is no route to etcd"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _copies_are_on_known_nodes(self) -> Self:
        known = [node.name for node in self.nodes]
        for copy in self.certificates.kubeconfigs:
            if strange := [name for name in copy.nodes if name not in known]:
                message = f"certificates.kubeconfigs: {copy.path} is on {', '.join(strange)}: not in `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        return self

    def node(self, name: str) -> Node | None:
        """The node of that name, if the profile has it."""
        return next((node for node in self.nodes if node.name == name), None)
