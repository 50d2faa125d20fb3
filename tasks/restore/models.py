"""Models a restore: what each control plane node has, what will be done there, and how far it has progressed."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal, Self

from pydantic import Field

from tasks.control_plane.models import ControlPlaneNode, MemberOnNode, Phase, RestoreRecord
from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, SCHEDULER
from tasks.core.models.plan import Mode, Plan, PlanOrApply

Difference = Literal["ca", "nodes"]
"""Names what of a backup may belong to another cluster if the operator allows it: its CA, or all of its nodes."""

LEADERS = (CONTROLLER_MANAGER, SCHEDULER)
"""Lists the programs that elect a leader by a Lease of their own name in kube-system."""

OBJECT = "kube-runbooks-restore"
"""Names the ConfigMap in kube-system that a restore writes."""


class RestoreRequest(Model):
    """Defines what the operator asks for."""

    cluster: str
    mode: PlanOrApply = Mode.APPLY
    confirm: str = ""
    lost: tuple[str, ...] = ()
    from_cluster: str = ""
    may_differ: tuple[Difference, ...] = ()
    replace_healthy: bool = False

    @property
    def is_confirmed(self) -> bool:
        """True if the operator repeated the name of the cluster; a mere plan needs no confirmation."""
        return self.mode is Mode.PLAN or self.confirm == self.cluster


def restored_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Returns the folder where the restored data of an attempt waits."""
    return member.beside(f"restore-{restore_id}")


def kept_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Returns the folder with the data from before a restore.

    Among several attempts, the first one has it. No runbook ever deletes that data.
    """
    return member.beside(f"before-{restore_id}")


def aside_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Returns the folder where an attempt keeps what the previous attempt had restored.

    It is used when the original data is already kept.
    """
    return member.beside(f"attempt-{restore_id}")


class ControlPlaneFacts(Model):
    """Holds the facts of all nodes of the profile at one moment."""

    observed_at: UtcTime
    nodes: tuple[ControlPlaneNode, ...]
    live_revision: int | None = Field(default=None, description="of the cluster as it is, when a member still says it")
    live_ids: tuple[str, ...] = Field(default=(), description="the ids of etcd's cluster that running members tell")
    in_quorum: tuple[str, ...] = Field(default=(), description="nodes whose member answered a read that needs a quorum")
    administrator_problem: str = Field(
        default="", description="why the API will not let us in afterwards, as far as files tell"
    )
    not_asked: tuple[str, ...] = Field(
        default=(), description="why members and API servers that run do not say whether the cluster works"
    )
    api_answers: tuple[str, ...] = Field(default=(), description="nodes whose API server serves requests")

    not_ready: dict[str, str] = Field(default={}, description="nodes that the API says are not Ready, with its words")

    def without(self, lost: Sequence[str]) -> tuple[ControlPlaneNode, ...]:
        """Returns the nodes that were reached and are not named as lost."""
        return tuple(node for node in self.nodes if not node.unreached and node.name not in lost)

    @property
    def serves(self) -> bool:
        """True if the cluster works: etcd has quorum, and an API server answers."""
        return bool(self.in_quorum and self.api_answers)

    @property
    def over(self) -> set[str]:
        """Returns the ids of attempts that were rolled back or replaced.

        A node that was away may still have the record of such an attempt.
        """
        return {one for node in self.nodes for one in node.over}

    @property
    def under_way(self) -> RestoreRecord | None:
        """Returns the record of the restore that has not finished; None if there is none.

        In a chain of attempts it is the newest, as recorded on the node where it progressed furthest.
        """
        order = [None, *Phase]
        records = [node.record for node in self.nodes if node.record and node.record.id not in self.over]
        replaced = {one.id for record in records for one in record.chain[1:]}
        newest = [record for record in records if record.id not in replaced]
        return max(newest, key=lambda record: order.index(record.phase), default=None)


class RestoreTarget(Model):
    """Describes one member of the new cluster."""

    COVERED: ClassVar[Reasons] = {"node member tools": "the member that is replaced"}

    node: str
    member: MemberOnNode
    tools: str

    @classmethod
    def on(cls, nodes: Sequence[ControlPlaneNode]) -> tuple[Self, ...]:
        """Returns the targets on these nodes: those that have a member."""
        return tuple(cls(node=node.name, member=node.member, tools=node.tools) for node in nodes if node.member)


class RestorePlan(Plan):
    """Describes the restore.

    It has an id that its traces on the nodes carry, members, and the nodes whose control plane stops.
    """

    COVERED: ClassVar[Reasons] = {
        "id backup targets control_planes nodes unwell leaders replaces ended serving": "what is replaced, by what, where, and "
        "what has to work again"
    }

    id: str = ""
    backup: str = ""
    targets: tuple[RestoreTarget, ...] = ()
    control_planes: tuple[str, ...] = ()
    nodes: tuple[str, ...] = Field(default=(), description="all that were reached; their kubelets are restarted")
    unwell: tuple[str, ...] = Field(
        default=(), description="nodes that were not well before: nobody waits for them in the end"
    )
    leaders: tuple[str, ...] = Field(default=(), description="whose Leases have to be renewed in the end")
    replaces: RestoreRecord | None = Field(
        default=None, description="the attempt before this one, which had other members"
    )
    ended: bool = Field(default=False, description="an earlier attempt of this run has come to the end")
    serving: bool = Field(
        default=False, description="etcd runs on the restored data already: never again from the start"
    )

    @property
    def machines(self) -> tuple[str, ...]:
        """Lists the nodes with a part of the control plane: API server, or etcd, or both."""
        return tuple(dict.fromkeys([*self.control_planes, *(target.node for target in self.targets)]))

    @property
    def initial_cluster(self) -> str:
        """Returns the members in the format of `etcdutl snapshot restore`."""
        return ",".join(f"{target.member.name}={target.member.peer_url}" for target in self.targets)

    @property
    def record(self) -> RestoreRecord:
        """Returns the record for the nodes."""
        return RestoreRecord(
            id=self.id,
            backup=self.backup,
            members=tuple(target.member.name for target in self.targets),
            replaces=self.replaces,
        )


class Write(Model):
    """Holds the results for the object that a restore writes."""

    id: str = Field(default="", description="of the restore, as it is read back")
    revision: str = Field(default="", description="of the object as it is read back")
    watched: tuple[str, ...] = Field(default=(), description="ids in the events of a watch from before the write")
    old_is_gone: bool = Field(description="a watch from before the restore gets the answer that its revision is gone")
    old: str = Field(default="", description="what it gets, for people")


class Kept(Model):
    """Names where a node keeps the data that a restore has replaced; no runbook removes it."""

    original: str = Field(
        default="", description="the folder with the data from before the first attempt; empty: it had none"
    )
    of_attempts: tuple[str, ...] = Field(default=(), description="folders with what earlier attempts had restored")


class Ended(Model):
    """Describes a restore that finished, and what it left."""

    kept: dict[str, Kept] = Field(description="by node")


class RolledBack(Model):
    """Describes a restore that was rolled back."""

    nodes: tuple[str, ...]
    had_no_data: tuple[str, ...] = Field(
        default=(), description="nodes that had no data before: the restored data stays there"
    )
    of_attempts: dict[str, tuple[str, ...]] = Field(
        default={}, description="folders by node with what earlier attempts had restored"
    )


class Stopped(Model):
    """States that the control plane is off, as its processes prove."""

    nodes: tuple[str, ...]


class Restored(Model):
    """Holds what etcd reported after the restore, before any API server ran on it."""

    cluster_id: str
    members: tuple[str, ...]
    revision: int
    key_count: int
    hash: int
    leader: str


class Recovered(Model):
    """Proves that the cluster works again."""

    nodes_ready: tuple[str, ...]
    nodes_not_ready: dict[str, str] = Field(
        description="nodes that the backup knows and that are not back, with the reason"
    )
    not_in_backup: tuple[str, ...] = Field(description="nodes that joined after the backup was taken")
    leases_renewed: tuple[str, ...]
    written: str = Field(description="the object that was written, read back and seen by a watch")
    old_watch: str = Field(description="what a watch from before the restore gets")
