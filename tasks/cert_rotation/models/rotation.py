"""Holds the models of a leaf rotation: what was observed, what is renewed on each node, and the progress there."""

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
"""Names a certificate as kubeadm does, or the client certificate of a kubelet."""


class RotationOptions(Model):
    """Describes the options that an operator may choose."""

    COVERED: ClassVar[Reasons] = {"only renew_before allow_downtime": CHOICE}

    only: tuple[LeafName, ...] = Field(
        default=(), description="names of certificates, as kubeadm calls them; if empty, all that are due"
    )
    renew_before: Duration = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="renew certificates that expire within this time, for example 30d",
    )
    allow_downtime: bool = Field(
        default=False, description="restart the only control plane node; the API does not answer for a minute or two"
    )


class Phase(StrEnum):
    """Describes the progress of a rotation on a node."""

    RENEWING = "renewing"
    """The copy exists. Files and static pods are the previous ones or new ones."""
    PUTTING_BACK = "putting back"
    """A proof has failed. The run restores the copied files and restarts the static pods that read the new ones."""


CERT_ROTATION = "cert_rotation"


class TakenFrom(Model):
    """Describes the state of a node at the time its files were copied.

    A run changes nothing of it beyond what its record lists.
    """

    kubeadm: str = ""
    manifests: dict[str, str] = Field(
        default={}, description="static pod to the sha256 of its manifest, where it may be"
    )
    certificates: dict[str, str] = Field(default={}, description="kubeadm's leaves and CAs to their fingerprint")


class RotationRecord(Model):
    """Describes the record that a run writes on a node before it changes anything there."""

    run_id: str = Field(pattern=r"^[0-9A-Za-z-]{1,80}$")
    phase: Phase = Phase.RENEWING
    begun_at: UtcTime = Field(description="by the node's clock: what started since then was restarted by the run")
    leaves: tuple[str, ...] = ()
    anew: tuple[str, ...] = Field(default=(), description="leaves that are reissued with other names")
    restarts: tuple[str, ...] = ()
    reason: str = Field(default="", description="why the files are put back")
    runbook: str = Field(default=CERT_ROTATION, description="that resumes it: cert_rotation, or ca_rotation")
    taken_from: TakenFrom | None = Field(
        default=None, description="what the copy is of; the record is void when it has changed"
    )

    @property
    def copy_file(self) -> str:
        """Returns the path of the copy of kubeadm's previous folder."""
        return f"{ROTATIONS}/{self.run_id}.tar"


def how_to_set_aside(record: RotationRecord | None) -> str:
    """Returns the command that sets a void record aside on a node.

    A person runs it. The next run then begins with a copy of the node's current files.
    """
    return f"sudo mv {RECORD} {ROTATIONS}/{record.run_id if record else 'unreadable'}.void"


class OnNode(Model):
    """Describes what earlier runs have left on a node."""

    node: str
    record: RotationRecord | None = Field(default=None, description="of a rotation that has not ended")
    ended: tuple[str, ...] = Field(default=(), description="ids of the runs that finished here")
    unreadable: str = Field(default="", description="why the record that is there cannot be understood")
    unasked: str = Field(default="", description="why nothing of all that is known")


class ServingRequest(Model):
    """Describes a kubelet's request for a serving certificate that waits for approval."""

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
    """Describes the results of a control plane node's proofs before any change there."""

    node: str
    unasked: str = Field(default="", description="why nothing else is known")
    curl: bool = Field(default=True, description="is there: health is asked by it")
    kubectl: bool = Field(default=True, description="is there: who the API sees with a kubeconfig is asked by it")
    ails: dict[str, str] = Field(default={}, description="static pod to what it reports, if it is unhealthy")
    nobody: dict[str, str] = Field(default={}, description="kubeconfig to why the API sees nobody with it")
    unelected: dict[str, str] = Field(
        default={}, description="controller to why its instance there elects no leader by the Lease of its own name"
    )


class RotationFacts(Model):
    """Holds all facts that the plan of a rotation needs."""

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
    """Describes what a rotation does on one node."""

    COVERED: ClassVar[Reasons] = {
        "name leaves anew restarts copies kubelet points begun put_back by_ssh_alone": WORK_ON_NODE
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "kubelet_hours": "it follows from the CA's end, by the hour",
        "unproven unled": CAUTION,
        "configuration": "hours to the CA's end are in it; names that change are in the step",
    }

    name: str
    leaves: tuple[str, ...] = Field(default=(), description="that kubeadm renews, by its names")
    anew: tuple[str, ...] = Field(default=(), description="leaves that are reissued with other names")
    restarts: tuple[str, ...] = Field(default=(), description="static pods, in their order")
    copies: tuple[str, ...] = Field(default=(), description="kubeconfigs that are refreshed")
    kubelet: bool = Field(default=False, description="the kubelet gets a new client certificate")
    points: bool = Field(
        default=False, description="the kubelet's kubeconfig gets the name of the file with its client certificate"
    )
    kubelet_hours: int = Field(default=0, description="that it is signed for")
    configuration: str = Field(default="", description="for kubeadm, with how long a certificate is good")
    begun: bool = False
    put_back: bool = Field(default=False, description="an earlier run has begun to restore the previous files")
    unproven: tuple[str, ...] = Field(
        default=(), description="static pods and kubeconfigs whose proof failed before: it is not asked for afterwards"
    )
    unled: tuple[str, ...] = Field(default=(), description="controllers of which none led before, as far as leases say")
    by_ssh_alone: bool = Field(
        default=False,
        description="no API answers because certificates have expired: the API cannot be asked, and the previous files are of no use",
    )


class RotationPlan(Plan):
    """Describes a rotation plan: control plane nodes in order, then kubelets, then requests that wait for approval."""

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
        """Returns all nodes that the rotation changes."""
        return (*self.control_plane, *self.kubelets)


class NodeRotated(Model):
    """Describes the result of one node."""

    node: str
    renewed: dict[str, UtcTime] = Field(default={}, description="name to its new end")
    restarted: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    copies_left: dict[str, str] = Field(default={}, description="kubeconfig to why it was not refreshed")
    users: dict[str, str] = Field(default={}, description="kubeconfig to whom the API sees with it")
    leader_moved_to: str = ""
    copy_file: str = Field(default="", description="folder with the previous files, on the node")
    parts: tuple[Took, ...] = ()
    took: timedelta


class AllRotated(Model):
    """Describes the results of nodes that were rotated at the same time."""

    nodes: tuple[NodeRotated, ...]


class Approved(Model):
    """Lists the approved requests of kubelets, and why the others were not approved."""

    approved: tuple[str, ...] = ()
    left: dict[str, str] = Field(default={}, description="request to why it was not approved")


class RotationProof(Model):
    """Describes what was verified at the end of the run."""

    leases_renewed: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    worker_is: str = Field(default="", description="whom the API sees in the worker")
