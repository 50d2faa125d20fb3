"""A rotation of an authority in three runs: what each node trusts and signs with, what the API hands out, and what is done."""

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
    """Of its halves, on a node."""
    return f"{CA_ROTATIONS}/{authority}"


def ended_folder(authority: Authority, run_id: str) -> str:
    """Where the old half is once nobody trusts it any more."""
    return f"{folder_of(authority)}-ended-{run_id}"


class Stage(StrEnum):
    """One run each, in this order. The one before is the way back from each, but from the last."""

    TRUST_BOTH = "trust-both"
    """Everybody believes the new one, too; the old one signs."""
    SIGN_WITH_NEW = "sign-with-new"
    """Everything is signed anew by the new one; the old one is still believed."""
    DROP_OLD = "drop-old"
    """Nobody believes the old one any more."""


class Half(Model):
    """The old or the new one of a rotation."""

    id: str = Field(description="sha256 of the certificate; of service accounts, of the public key")
    public_key: str = Field(description="sha256 of it")


class TrustOnNode(Model):
    """What one node believes and signs with, and what a rotation has laid down there."""

    node: str
    unreached: str = ""
    trusted: tuple[Half, ...] = Field(default=(), description="in the authority's file, in their order")
    trusted_since: UtcTime | None = Field(default=None, description="when that file was written, by the node's clock")
    signs: str = Field(default="", description="sha256 of the public half of its key; empty without a key there")
    signs_since: UtcTime | None = None
    signing: tuple[Half, ...] = Field(default=(), description="in the file that the controller manager signs with")
    old: Half | None = Field(default=None, description="laid down with its key; none before a rotation has begun there")
    new: Half | None = None
    flags: dict[str, str] = Field(default={}, description="of the control plane's manifests: `POD --FLAG` to its file")


class ApiTrust(Model):
    """What the API hands out to others, by the sha256 of each authority."""

    cluster_info: tuple[str, ...] = Field(default=(), description="what a node is told that joins")
    joinable: bool = Field(default=False, description="there is such a thing")
    root_cas: dict[str, tuple[str, ...]] = Field(default={}, description="namespace to its kube-root-ca.crt")
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
    """All that a stage is planned from."""

    authority: Authority
    rotation: RotationFacts = Field(description="as for a renewal of leaves: certificates, etcd, nodes, what runs left")
    nodes: tuple[TrustOnNode, ...]
    api: ApiTrust = ApiTrust()


class CaRotationOptions(Model):
    """What an operator may say about what cannot be seen from here."""

    COVERED: ClassVar[Reasons] = {"allow_downtime old_pods_are_fine old_clients_gone token_age validity": CHOICE}

    allow_downtime: bool = Field(default=False, description="restart the only control plane of a cluster")
    old_pods_are_fine: bool = Field(
        default=False, description="pods that were started before both were handed out read what they believe anew"
    )
    old_clients_gone: bool = Field(
        default=False, description="nobody has a certificate or a token of the old one any more, outside of the nodes"
    )
    token_age: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(hours=1),
        description="that the new key has signed tokens for, before the old one is dropped",
    )
    validity: Duration = Field(default=timedelta(days=3650), ge=timedelta(days=730), description="of the new authority")


class StageOrders(Model):
    """What holds for all nodes of a run."""

    options: CaRotationOptions
    run_id: str


class NodeStage(Model):
    """What is done on one node."""

    COVERED: ClassVar[Reasons] = {"name control_plane state rotation kubelet": WORK_ON_NODE}

    name: str
    control_plane: bool
    state: State
    rotation: NodeRotation = Field(description="leaves that are signed anew, and what is started anew")
    kubelet: bool = Field(default=False, description="its client certificate is signed anew")


class CaRotationPlan(Plan):
    """Control planes one at a time, then workers."""

    COVERED: ClassVar[Reasons] = {
        "authority stage nodes machines puts_away": "what is trusted and who signs, on which node"
    }

    authority: Authority
    stage: Stage
    nodes: tuple[NodeStage, ...] = ()
    machines: tuple[str, ...] = Field(default=(), description="control plane nodes")
    puts_away: tuple[str, ...] = Field(default=(), description="nodes with halves that nobody needs any more")

    @property
    def control_plane(self) -> tuple[NodeStage, ...]:
        """Those of it."""
        return tuple(node for node in self.nodes if node.control_plane)

    @property
    def workers(self) -> tuple[NodeStage, ...]:
        """The others."""
        return tuple(node for node in self.nodes if not node.control_plane)


class Prepared(Model):
    """The old and the new one, as every control plane node has them."""

    old: Half
    new: Half
    made: bool = Field(description="the new one was made by this run")


class NodeStaged(Model):
    """What became of one node."""

    node: str
    before: State
    after: State
    rotated: NodeRotated | None = None
    kubelet_restarted: bool = False
    took: timedelta


class WorkersStaged(Model):
    """What became of all workers."""

    nodes: tuple[NodeStaged, ...]


class Published(Model):
    """What the API hands out now, and what was changed for it."""

    changed: tuple[str, ...] = ()
    waited_for: tuple[str, ...] = Field(default=(), description="what the cluster itself has taken over")
