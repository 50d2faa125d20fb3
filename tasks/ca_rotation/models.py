"""Holds the models of a CA rotation in three runs.

They describe what each node trusts and signs with, what the API publishes, and what is done.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation, RotationFacts
from tasks.certificates.models.authorities import State
from tasks.core.models.approval import CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import Authority
from tasks.core.models.plan import Plan


def folder_of(authority: Authority) -> str:
    """Returns the folder on a node that holds the halves of a CA."""
    return f"{CA_ROTATIONS}/{authority}"


def ended_folder(authority: Authority, run_id: str) -> str:
    """Returns the folder that holds the halves after nothing trusts the old one any more."""
    return f"{folder_of(authority)}-ended-{run_id}"


class Stage(StrEnum):
    """Describes the stages of a rotation. Each is one run, in this order.

    The previous stage is the way back from each stage, except from the last one.
    """

    TRUST_BOTH = "trust-both"
    """Everything also trusts the new CA or key. The old one signs."""
    SIGN_WITH_NEW = "sign-with-new"
    """The new CA or key signs everything again. The old one is still trusted."""
    DROP_OLD = "drop-old"
    """Nothing trusts the old CA or key any more."""


class Half(Model):
    """Describes the old or the new CA or key of a rotation."""

    id: str = Field(description="sha256 of the certificate; of service accounts, of the public key")
    public_key: str = Field(description="sha256 of it")


class CaFiles(Model):
    """Names the files of a CA on a node, from the flags of the node's own programs. The paths are absolute."""

    trust: str = Field(default="", description="CAs that are trusted; empty if no flag names a file")
    key: str = Field(default="", description="that signs; empty where none is named: it is kept elsewhere")
    signing: str = Field(
        default="", description="of the cluster's CA: that the controller manager signs with while there are two"
    )


class TrustOnNode(Model):
    """Describes what one node trusts and signs with, and what a rotation has written there."""

    node: str
    unreached: str = ""
    problems: tuple[str, ...] = Field(
        default=(), description="what is not there, cannot be read, or is not understood, each with its path or flag"
    )
    files: CaFiles = CaFiles()
    kubelet_config: str = Field(default="/etc/kubernetes/kubelet.conf", description="the kubeconfig of its kubelet")
    trusted: tuple[Half, ...] = Field(default=(), description="CAs in the CA's file, in their order")
    trusted_since: UtcTime | None = Field(default=None, description="when that file was written, by the node's clock")
    signs: str = Field(default="", description="sha256 of the public half of its key; empty without a key there")
    signs_since: UtcTime | None = None
    signing: tuple[Half, ...] = Field(default=(), description="in the file that the controller manager signs with")
    old: Half | None = Field(default=None, description="laid down with its key; none before a rotation has begun there")
    new: Half | None = None
    has_keys: tuple[str, ...] = Field(default=(), description="of `old` and `new`: whose key lies beside it")
    signs_by: str = Field(default="", description="content of the file that the controller manager signs with")


class ApiTrust(Model):
    """Describes what the API publishes to others, by the sha256 of each CA."""

    cluster_info: tuple[str, ...] = Field(default=(), description="CAs that a joining node gets from cluster-info")
    joinable: bool = Field(default=False, description="there is such a thing")
    root_cas: dict[str, tuple[str, ...]] = Field(default={}, description="namespace to its kube-root-ca.crt")
    rootless: tuple[str, ...] = Field(default=(), description="namespaces that have none, and are not being deleted")
    copies: tuple[str, ...] = Field(
        default=(), description="other ConfigMaps that have what control planes trust now, and not the new one"
    )
    secrets: tuple[str, ...] = Field(
        default=(),
        description="Secrets that have what control planes trust now, and not the new one; no content of them",
    )
    token_secrets: tuple[str, ...] = Field(
        default=(), description="the same of Secrets with a token of a service account, whose ca.crt the cluster writes"
    )
    secrets_unread: str = Field(default="", description="why it is not known what Secrets have")
    clients: tuple[str, ...] = Field(default=(), description="extension-apiserver-authentication: client-ca-file")
    front_proxies: tuple[str, ...] = Field(default=(), description="of the same: requestheader-client-ca-file")
    old_pods: tuple[str, ...] = Field(
        default=(),
        description="that were started before their namespace had what it has now: they may know the old alone",
    )
    old_tokens: tuple[str, ...] = Field(
        default=(), description="Secrets with a token that is not signed by the newest of the keys"
    )
    worker: tuple[str, ...] = Field(default=(), description="in the worker's own kubeconfig, if the profile names one")


class CaRotationFacts(Model):
    """Holds all facts that the plan of a stage needs."""

    authority: Authority
    rotation: RotationFacts = Field(description="as for a renewal of leaves: certificates, etcd, nodes, what runs left")
    nodes: tuple[TrustOnNode, ...]
    api: ApiTrust = ApiTrust()


class CaRotationOptions(Model):
    """Describes the options with which an operator answers what this project cannot observe."""

    COVERED: ClassVar[Reasons] = {"allow_downtime old_pods_are_fine old_clients_gone token_age validity": CHOICE}

    allow_downtime: bool = Field(
        default=False, description="restart the only control plane node; the API does not answer meanwhile"
    )
    old_pods_are_fine: bool = Field(
        default=False, description="pods that started before both CAs were published reload the CAs that they trust"
    )
    old_clients_gone: bool = Field(
        default=False,
        description="no client outside of the nodes still uses a certificate or a token that the old CA or key signed",
    )
    token_age: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="how long the new key must have signed tokens before the old key is dropped, for example 24h",
    )
    validity: Duration = Field(
        default=timedelta(days=3650), ge=timedelta(days=730), description="how long the new CA is valid"
    )


class StageOrders(Model):
    """Holds what applies to all nodes of a run."""

    options: CaRotationOptions
    run_id: str


class NodeStage(Model):
    """Describes the work of a stage on one node."""

    COVERED: ClassVar[Reasons] = {"name control_plane state rotation kubelet": WORK_ON_NODE}

    name: str
    control_plane: bool
    state: State
    rotation: NodeRotation = Field(description="leaves that the new CA signs, and what is restarted")
    kubelet: bool = Field(default=False, description="its kubelet gets a new client certificate")


class CaRotationPlan(Plan):
    """Describes the plan of a stage: control plane nodes one at a time, then worker nodes."""

    COVERED: ClassVar[Reasons] = {
        "authority stage nodes machines puts_away": "what is trusted and who signs, on which node"
    }

    authority: Authority
    stage: Stage
    nodes: tuple[NodeStage, ...] = ()
    machines: tuple[str, ...] = Field(default=(), description="control plane nodes")
    puts_away: tuple[str, ...] = Field(default=(), description="nodes with halves that are no longer needed")

    @property
    def control_plane(self) -> tuple[NodeStage, ...]:
        """Returns the work on the control plane nodes."""
        return tuple(node for node in self.nodes if node.control_plane)

    @property
    def workers(self) -> tuple[NodeStage, ...]:
        """Returns the work on the worker nodes."""
        return tuple(node for node in self.nodes if not node.control_plane)


class Prepared(Model):
    """Names the old and the new half, as every control plane node has them."""

    old: Half
    new: Half
    made: bool = Field(description="the new one was made by this run")


class NodeStaged(Model):
    """Describes the result of one node."""

    node: str
    before: State
    after: State
    rotated: NodeRotated | None = None
    kubelet_restarted: bool = False
    took: timedelta


class WorkersStaged(Model):
    """Describes the results of all worker nodes."""

    nodes: tuple[NodeStaged, ...]


class Published(Model):
    """Describes what the API publishes now, and what the run changed for it."""

    changed: tuple[str, ...] = ()
    waited_for: tuple[str, ...] = Field(default=(), description="what the cluster itself has taken over")
