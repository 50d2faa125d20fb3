"""A restore: what is on each control plane, what will be done there, and how far it has come."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal, Self

from pydantic import Field

from tasks.control_plane.models import ControlPlaneNode, MemberOnNode, Phase, RestoreRecord
from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Mode, Plan, PlanOrApply

Difference = Literal["ca", "nodes"]
"""What of a backup may be another cluster's, if the operator says so: its CA, or all of its nodes."""

OBJECT = "kube-runbooks-restore"
"""The ConfigMap in kube-system that a restore writes."""


class RestoreRequest(Model):
    """What the operator asks for."""

    cluster: str
    mode: PlanOrApply = Mode.APPLY
    confirm: str = ""
    lost: tuple[str, ...] = ()
    from_cluster: str = ""
    may_differ: tuple[Difference, ...] = ()
    replace_healthy: bool = False

    @property
    def is_confirmed(self) -> bool:
        """The name of the cluster was said once more; a plan does nothing that has to be confirmed."""
        return self.mode is Mode.PLAN or self.confirm == self.cluster


def restored_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the restored data of an attempt waits."""
    return member.beside(f"restore-{restore_id}")


def kept_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the data from before a restore stays: of several attempts, of the first one. Nothing of ours ever deletes it."""
    return member.beside(f"before-{restore_id}")


def aside_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where an attempt keeps what the attempt before it had restored, while the original data is kept already."""
    return member.beside(f"attempt-{restore_id}")


class ControlPlaneFacts(Model):
    """All nodes of the profile at one moment."""

    observed_at: UtcTime
    nodes: tuple[ControlPlaneNode, ...]
    live_revision: int | None = Field(default=None, description="of the cluster as it is, when a member still says it")
    live_ids: tuple[str, ...] = Field(default=(), description="the ids of etcd's cluster that running members tell")
    in_quorum: tuple[str, ...] = Field(default=(), description="nodes whose member answered a read that needs a quorum")
    api_answers: tuple[str, ...] = Field(default=(), description="nodes whose API server serves requests")

    def without(self, lost: Sequence[str]) -> tuple[ControlPlaneNode, ...]:
        """Nodes that were reached and that nobody names as lost."""
        return tuple(node for node in self.nodes if not node.unreached and node.name not in lost)

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

    @classmethod
    def on(cls, nodes: Sequence[ControlPlaneNode]) -> tuple[Self, ...]:
        """Those of these nodes."""
        return tuple(cls(node=node.name, member=node.member, tools=node.tools) for node in nodes if node.member)


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


class Write(Model):
    """What came of the object that a restore writes, in kubectl's words; `None` is what it did not say."""

    read: str | None = Field(default=None, description="its id and its revision")
    watched: str | None = Field(default=None, description="events of a watch from before the write")
    old: str | None = Field(default=None, description="what a watch from before the restore is told")

    @property
    def revision(self) -> str:
        """Of the object as it was read."""
        return (self.read or "").partition(" ")[2]


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
