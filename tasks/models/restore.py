"""A restore: what is on each control plane, what will be done there, and how far it has come."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from tasks.models.approval import FIGURES, Reasons
from tasks.models.base import Model, UtcTime
from tasks.models.cluster import EtcdOnNode
from tasks.models.plan import Plan

MANIFESTS = "/etc/kubernetes/manifests"
"""Where kubelet looks for static pods."""

PARKED = "/etc/kubernetes/kube-runbooks-parked"
"""Beside it, on the same file system: a move is one rename. Inside, kubelet would read it."""


Difference = Literal["ca", "nodes"]
"""What of a backup may be another cluster's, if the operator says so: its CA, or all of its nodes."""


class Place(StrEnum):
    """Where a static pod's manifest is."""

    ACTIVE = "active"
    PARKED = "parked"
    ABSENT = "absent"


class Phase(StrEnum):
    """How far a restore has come on a node. Each begins where the one before is proven."""

    PREPARED = "prepared"
    """The new data directory lies beside the old one; nothing was disturbed."""
    STOPPED = "stopped"
    """API server, controllers and etcd are parked and gone."""
    SWAPPED = "swapped"
    """The new data directory is in its place, the old one is kept beside it."""
    SERVING = "serving"
    """etcd has quorum on the restored data, and API servers were started on it: there is no way back by `rollback`."""


class RestoreRecord(Model):
    """What a restore leaves on each node, so that any later run finds out what is left to do.

    An attempt whose members are not these any more is replaced by another one, whose record keeps the record of the first:
    a chain, at whose end is the attempt that found the original data.
    """

    COVERED: ClassVar[Reasons] = {"id backup members phase replaces": "the attempt that this one replaces"}

    id: str = Field(pattern=r"^[0-9a-z-]{1,60}$")
    backup: str
    members: tuple[str, ...]
    phase: Phase | None = None
    replaces: "RestoreRecord | None" = Field(
        default=None, description="the attempt before, with its phase at that time"
    )

    @property
    def chain(self) -> tuple["RestoreRecord", ...]:
        """This attempt, and those before it, the newest first."""
        return (self, *(self.replaces.chain if self.replaces else ()))

    @property
    def served(self) -> "RestoreRecord | None":
        """The newest attempt before this one on whose data API servers have run: the way back leads no further than there."""
        return next((one for one in self.chain[1:] if one.phase is Phase.SERVING), None)

    @property
    def attempts(self) -> tuple[str, ...]:
        """The oldest first: what was there before the first of them is the original data, which `rollback` puts back."""
        chain = self.chain
        return tuple(one.id for one in reversed(chain[: chain.index(self.served)] if self.served else chain))


class MemberOnNode(Model):
    """An etcd member as its static pod or its systemd unit has it, and the disk it lies on."""

    COVERED: ClassVar[Reasons] = {
        "name image unit version data_dir is_mount owner peer_url client_url peers on_node held_by": "the member that is replaced"
    }
    LEFT_OUT: ClassVar[Reasons] = {"data_bytes free_bytes": FIGURES}

    name: str
    image: str = Field(default="", description="of the static pod; empty for a systemd unit")
    unit: str = Field(default="", description="the systemd unit; empty for a static pod")
    version: str = Field(description="that it runs, for example 3.6.8; empty when the image's tag does not say")
    data_dir: PurePosixPath
    is_mount: bool = Field(description="the data directory is a mount point: it cannot be renamed, its content can")
    owner: str = Field(description="uid:gid")
    data_bytes: int
    free_bytes: int = Field(description="where the data directory is")
    peer_url: str
    client_url: str
    peers: tuple[str, ...] = Field(default=(), description="members that it was told of when it joined")
    on_node: EtcdOnNode
    held_by: str = Field(
        default="", description="a process, neither its static pod's nor its unit's, that has the database open"
    )

    @property
    def minor(self) -> str:
        """Of the programs that restore its data, for example 3.6."""
        return ".".join(self.version.split(".")[:2])

    def beside(self, name: str) -> PurePosixPath:
        """A folder on the file system of the data directory, so that a move between the two is one rename."""
        return self.data_dir / name if self.is_mount else PurePosixPath(f"{self.data_dir}.{name}")


class ControlPlaneNode(Model):
    """What was observed on one node."""

    name: str
    unreached: str = ""
    manifests: dict[str, Place] = Field(default={}, description="of each pod of the control plane that has one")
    running: tuple[str, ...] = Field(
        default=(), description="of the control plane's programs: by their containers, or by etcd's unit"
    )
    unseen: str = Field(default="", description="why its processes could not be read; then nobody knows what runs")
    missing: tuple[str, ...] = Field(default=(), description="programs that a restore needs and the node lacks")
    member: MemberOnNode | None = None
    not_understood: str = Field(default="", description="what in its etcd manifest or unit is not as expected")
    client_problem: str = Field(
        default="", description="why its member cannot be asked with the certificate on the node; empty: it can"
    )
    authority_files: tuple[str, ...] = Field(
        default=(), description="that its API server and its controller manager take for the cluster's CA"
    )
    authorities: tuple[str, ...] = Field(default=(), description="sha256 of the certificates in them")
    work_free_bytes: int = 0
    record: RestoreRecord | None = Field(default=None, description="of a restore that has not ended")
    ended: tuple[str, ...] = Field(default=(), description="ids of restores that came to their end here")
    over: tuple[str, ...] = Field(
        default=(),
        description="ids of attempts that were rolled back or replaced: a record of one is of no restore any more",
    )
    tools: str = Field(default="", description="folder with etcdutl, or empty")
    tools_problem: str = ""

    @property
    def is_control_plane(self) -> bool:
        """Runs, or has parked, an API server."""
        return self.manifests.get("kube-apiserver", Place.ABSENT) is not Place.ABSENT

    @property
    def has_etcd(self) -> bool:
        """Runs, or has parked, a member of etcd."""
        return bool(self.member or self.not_understood)


class ControlPlaneFacts(Model):
    """All nodes of the profile at one moment."""

    observed_at: UtcTime
    nodes: tuple[ControlPlaneNode, ...]
    live_revision: int | None = Field(default=None, description="of the cluster as it is, when a member still says it")
    live_ids: tuple[str, ...] = Field(default=(), description="the ids of etcd's cluster that running members tell")
    in_quorum: tuple[str, ...] = Field(default=(), description="nodes whose member answered a read that needs a quorum")
    api_answers: tuple[str, ...] = Field(default=(), description="nodes whose API server serves requests")

    @property
    def serves(self) -> bool:
        """The cluster works: etcd has quorum, and an API server answers."""
        return bool(self.in_quorum and self.api_answers)

    @property
    def over(self) -> set[str]:
        """Ids of attempts that are nobody's any more, also where a node that was away still has their record."""
        return {one for node in self.nodes for one in node.over}

    @property
    def under_way(self) -> RestoreRecord | None:
        """The restore that has not ended: of a chain of attempts the newest, as the node where it came furthest has it."""
        order = [None, *Phase]
        records = [node.record for node in self.nodes if node.record and node.record.id not in self.over]
        replaced = {one.id for record in records for one in record.chain[1:]}
        newest = [record for record in records if record.id not in replaced]
        return max(newest, key=lambda record: order.index(record.phase), default=None)


class RestoreTarget(Model):
    """One member of the new cluster."""

    COVERED: ClassVar[Reasons] = {"node member tools": "the member that is replaced"}

    node: str
    member: MemberOnNode
    tools: str


class RestorePlan(Plan):
    """The restore: an id that its traces on the nodes carry, members, and the nodes whose control plane stops."""

    COVERED: ClassVar[Reasons] = {
        "id backup targets control_planes nodes replaces ended serving": "what is replaced, by what, where"
    }

    id: str = ""
    backup: str = ""
    targets: tuple[RestoreTarget, ...] = ()
    control_planes: tuple[str, ...] = ()
    nodes: tuple[str, ...] = Field(default=(), description="all that were reached; their kubelets are restarted")
    replaces: RestoreRecord | None = Field(
        default=None, description="the attempt before this one, which had other members"
    )
    ended: bool = Field(default=False, description="an earlier attempt of this run has come to the end")
    serving: bool = Field(
        default=False, description="etcd runs on the restored data already: never again from the start"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Nodes with a part of the control plane: API server, or etcd, or both."""
        return tuple(dict.fromkeys([*self.control_planes, *(target.node for target in self.targets)]))

    @property
    def initial_cluster(self) -> str:
        """As `etcdutl snapshot restore` wants it."""
        return ",".join(f"{target.member.name}={target.member.peer_url}" for target in self.targets)

    @property
    def record(self) -> RestoreRecord:
        """For the nodes."""
        return RestoreRecord(
            id=self.id,
            backup=self.backup,
            members=tuple(target.member.name for target in self.targets),
            replaces=self.replaces,
        )


class Kept(Model):
    """Where a node keeps the data that a restore has replaced; nothing of ours removes it."""

    original: str = Field(
        default="", description="the folder with the data from before the first attempt; empty: it had none"
    )
    of_attempts: tuple[str, ...] = Field(default=(), description="folders with what earlier attempts had restored")


class Ended(Model):
    """A restore that came to its end, and what it has left."""

    kept: dict[str, Kept] = Field(description="by node")


class RolledBack(Model):
    """A restore that was taken back."""

    nodes: tuple[str, ...]
    had_no_data: tuple[str, ...] = Field(
        default=(), description="nodes that had no data before: the restored data stays there"
    )
    of_attempts: dict[str, tuple[str, ...]] = Field(
        default={}, description="folders by node with what earlier attempts had restored"
    )


class Stopped(Model):
    """The control plane is off: proven by its processes."""

    nodes: tuple[str, ...]


class Restored(Model):
    """What etcd said after the restore, before any API server ran on it."""

    cluster_id: str
    members: tuple[str, ...]
    revision: int
    key_count: int
    hash: int
    leader: str


class Recovered(Model):
    """The proof that the cluster works again."""

    nodes_ready: tuple[str, ...]
    nodes_not_ready: dict[str, str] = Field(
        description="nodes that the backup knows and that are not back, with the reason"
    )
    not_in_backup: tuple[str, ...] = Field(description="nodes that joined after the backup was taken")
    leases_renewed: tuple[str, ...]
    written: str = Field(description="the object that was written, read back and seen by a watch")
    old_watch: str = Field(description="what a watch from before the restore is told")
