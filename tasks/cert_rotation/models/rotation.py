"""A rotation of leaf certificates: what was observed, what is renewed on which node, and how far it has come there."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from tasks.cert_rotation.models.files import RECORD
from tasks.cert_rotation.models.serving import Identities
from tasks.certificates.models.inventory import Inventory
from tasks.core.models.approval import CAUTION, CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.folders import ROTATIONS
from tasks.core.models.plan import Plan
from tasks.core.models.report import Took
from tasks.nodes.models.nodes import KubeNode

LeafName = Literal[
    "etcd-server",
    "etcd-peer",
    "etcd-healthcheck-client",
    "apiserver-etcd-client",
    "apiserver",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "admin.conf",
    "super-admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
    "kubelet-client",
]
"""kubeadm's names, and the client certificate of kubelets."""


class RotationOptions(Model):
    """What an operator may choose."""

    COVERED: ClassVar[Reasons] = {"only renew_before allow_downtime": CHOICE}

    only: tuple[LeafName, ...] = Field(
        default=(), description="names of certificates, as kubeadm has them; empty for all that are due"
    )
    renew_before: Duration = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="a certificate that ends within it is renewed, for example 30d",
    )
    allow_downtime: bool = Field(
        default=False, description="restart the only control plane of a cluster, whose API is away for a minute or two"
    )


class Phase(StrEnum):
    """How far a rotation has come on a node."""

    RENEWING = "renewing"
    """The copy is there; files and static pods are those of before, or new."""
    PUTTING_BACK = "putting back"
    """A proof has failed: the files of the copy are put back, and what had read the new ones is started anew."""


CERT_ROTATION = "cert_rotation"


class TakenFrom(Model):
    """What a node had when a copy of its files was taken; runs of ours change no more of it than they write down."""

    kubeadm: str = ""
    manifests: dict[str, str] = Field(
        default={}, description="static pod to the sha256 of its manifest, where it may be"
    )
    certificates: dict[str, str] = Field(default={}, description="kubeadm's leaves and CAs to their fingerprint")


class RotationRecord(Model):
    """What a run writes down on a node before it changes anything there."""

    run_id: str = Field(pattern=r"^[0-9A-Za-z-]{1,80}$")
    phase: Phase = Phase.RENEWING
    begun_at: UtcTime = Field(description="by the node's clock: what runs since then has been started anew by it")
    leaves: tuple[str, ...] = ()
    anew: tuple[str, ...] = Field(default=(), description="of those, the ones that are made anew, for other names")
    restarts: tuple[str, ...] = ()
    reason: str = Field(default="", description="why the files are put back")
    runbook: str = Field(default=CERT_ROTATION, description="that resumes it: cert_rotation, or ca_rotation")
    taken_from: TakenFrom | None = Field(
        default=None, description="what the copy is of; the record is void when it has changed"
    )

    @property
    def copy_file(self) -> str:
        """The copy of kubeadm's folder as it was."""
        return f"{ROTATIONS}/{self.run_id}.tar"


def how_to_set_aside(record: RotationRecord | None) -> str:
    """What a person runs on a node where a record is void: the next run begins with a copy of what is there now."""
    return f"sudo mv {RECORD} {ROTATIONS}/{record.run_id if record else 'unreadable'}.void"


class OnNode(Model):
    """What earlier runs have left on a node."""

    node: str
    record: RotationRecord | None = Field(default=None, description="of a rotation that has not ended")
    ended: tuple[str, ...] = Field(default=(), description="ids of the runs that finished here")
    unreadable: str = Field(default="", description="why the record that is there cannot be understood")


class ServingRequest(Model):
    """A kubelet's request for a serving certificate that waits for somebody to approve it."""

    name: str = Field(description="of the CertificateSigningRequest")
    signer: str
    username: str
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    key: str = Field(default="", description="for example EC secp256r1, RSA 2048")
    common_name: str = ""
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = Field(default=(), description="SANs, as `DNS:x`, `IP:x`, `URI:x` or `email:x`")
    problem: str = Field(default="", description="why it cannot be read")


class ProofsNow(Model):
    """What the proofs of a control plane node say before anything is changed there."""

    node: str
    curl: bool = Field(default=True, description="is there: health is asked by it")
    kubectl: bool = Field(default=True, description="is there: who the API sees with a kubeconfig is asked by it")
    ails: dict[str, str] = Field(default={}, description="static pod to what it says of itself, where that is not well")
    nobody: dict[str, str] = Field(default={}, description="kubeconfig to why the API sees nobody with it")


class RotationFacts(Model):
    """All that a rotation is planned from."""

    observed_at: UtcTime
    run_id: str
    inventory: Inventory
    left: tuple[OnNode, ...] = ()
    api_problem: str = Field(default="", description="why the API cannot be used; empty when it can")
    serving: tuple[str, ...] = Field(
        default=(), description="where the API does not let the worker in: nodes whose API server says that it is ready"
    )
    configuration: dict[str, Any] = Field(
        default={}, description="kubeadm's ClusterConfiguration; empty without an API"
    )
    etcd: EtcdFacts | None = None
    etcd_problem: str = Field(default="", description="why its members are not known")
    nodes: tuple[KubeNode, ...] = ()
    gates: tuple[str, ...] = ()
    requests: tuple[ServingRequest, ...] = ()
    identities: Identities = Field(default=Identities(), description="by which requests are judged; empty without any")
    proofs: tuple[ProofsNow, ...] = Field(default=(), description="of control plane nodes, each proof asked once")
    leases: dict[str, str] = Field(default={}, description="node, or leader, to when it renewed its lease")
    own_ends: dict[str, UtcTime] = Field(
        default={}, description="field of the profile to the end of the worker's own certificate there"
    )


class NodeRotation(Model):
    """What is done on one node."""

    COVERED: ClassVar[Reasons] = {"name leaves anew restarts copies kubelet begun put_back by_ssh_alone": WORK_ON_NODE}
    LEFT_OUT: ClassVar[Reasons] = {
        "kubelet_hours": "it follows from the CA's end, by the hour",
        "unproven unled": CAUTION,
        "configuration": "hours to the CA's end are in it; names that change are in the step",
    }

    name: str
    leaves: tuple[str, ...] = Field(default=(), description="that kubeadm renews, by its names")
    anew: tuple[str, ...] = Field(default=(), description="of those, the ones that are made anew, for other names")
    restarts: tuple[str, ...] = Field(default=(), description="static pods, in their order")
    copies: tuple[str, ...] = Field(default=(), description="kubeconfigs that are refreshed")
    kubelet: bool = Field(default=False, description="the kubelet's client certificate is signed anew")
    kubelet_hours: int = Field(default=0, description="that it is signed for")
    configuration: str = Field(default="", description="for kubeadm, with how long a certificate is good")
    begun: bool = False
    put_back: bool = Field(default=False, description="an earlier run has begun to put the files of before back")
    unproven: tuple[str, ...] = Field(
        default=(), description="static pods and kubeconfigs whose proof failed before: it is not asked for afterwards"
    )
    unled: tuple[str, ...] = Field(default=(), description="controllers of which none led before, as far as leases say")
    by_ssh_alone: bool = Field(
        default=False,
        description="no API answers, for what has ended: it cannot be asked, and the files of before are good for nothing",
    )


class RotationPlan(Plan):
    """Control planes in their order, then kubelets, then what waits for an approval."""

    COVERED: ClassVar[Reasons] = {
        "control_plane kubelets": "what is renewed where, in which order",
        "machines by_ssh_alone": "all control plane nodes at once, or one at a time",
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "approve": "a kubelet that waits asks again under another name every quarter of an hour; the step has who asks, and for which names",
        "unled not_ready": CAUTION,
    }

    control_plane: tuple[NodeRotation, ...] = ()
    kubelets: tuple[NodeRotation, ...] = ()
    approve: tuple[str, ...] = Field(default=(), description="requests of kubelets that passed every check")
    machines: tuple[str, ...] = Field(default=(), description="control planes, on which the lock is held")
    unled: tuple[str, ...] = Field(default=(), description="controllers of which none led before")
    not_ready: tuple[str, ...] = Field(default=(), description="nodes that were not Ready before, for another reason")
    by_ssh_alone: bool = Field(default=False, description="there is no API to ask: all control planes are done at once")

    @property
    def nodes(self) -> tuple[NodeRotation, ...]:
        """All that are touched."""
        return (*self.control_plane, *self.kubelets)


class NodeRotated(Model):
    """What became of one node."""

    node: str
    renewed: dict[str, UtcTime] = Field(default={}, description="name to its new end")
    restarted: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    copies_left: dict[str, str] = Field(default={}, description="kubeconfig to why it was not refreshed")
    users: dict[str, str] = Field(default={}, description="kubeconfig to whom the API sees with it")
    leader_moved_to: str = ""
    copy_file: str = Field(default="", description="the folder of before, on the node")
    parts: tuple[Took, ...] = ()
    took: timedelta


class AllRotated(Model):
    """What became of several nodes that were done at once."""

    nodes: tuple[NodeRotated, ...]


class Approved(Model):
    """Requests of kubelets: those that were approved, and why others were not."""

    approved: tuple[str, ...] = ()
    left: dict[str, str] = Field(default={}, description="request to why it was not approved")


class RotationProof(Model):
    """What holds at the end."""

    leases_renewed: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    worker_is: str = Field(default="", description="whom the API sees in the worker")
