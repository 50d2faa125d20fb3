"""A restore: what is on each control plane, what will be done there, and how far it has come."""

from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import Field

from tasks.models.base import Model, UtcTime
from tasks.models.cluster import EtcdOnNode
from tasks.models.plan import Plan


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
    """What a restore leaves on each node, so that any later run finds out what is left to do."""

    id: str = Field(pattern=r"^[0-9a-z-]{1,60}$")
    backup: str
    members: tuple[str, ...]
    phase: Phase | None = None


class MemberOnNode(Model):
    """An etcd member of kubeadm's making, as its manifest has it, and the disk it lies on."""

    name: str
    image: str
    minor: str = Field(description="of etcd's programs that this node has to have, for example 3.6")
    data_dir: PurePosixPath
    is_mount: bool = Field(description="the data directory is a mount point: it cannot be renamed, its content can")
    owner: str = Field(description="uid:gid")
    data_bytes: int
    free_bytes: int = Field(description="where the data directory is")
    peer_url: str
    client_url: str
    on_node: EtcdOnNode


class ControlPlaneNode(Model):
    """What was observed on one node."""

    name: str
    unreached: str = ""
    manifests: dict[str, Place] = Field(default={}, description="of each pod of the control plane that has one")
    running: tuple[str, ...] = Field(default=(), description="of the control plane's programs")
    missing: tuple[str, ...] = Field(default=(), description="programs that a restore needs and the node lacks")
    member: MemberOnNode | None = None
    not_understood: str = Field(default="", description="what in its etcd manifest is not kubeadm's")
    work_free_bytes: int = 0
    record: RestoreRecord | None = None
    tools: str = Field(default="", description="folder with etcdutl, or empty")
    tools_problem: str = ""

    @property
    def is_control_plane(self) -> bool:
        """Runs, or has parked, an API server."""
        return self.manifests.get("kube-apiserver", Place.ABSENT) is not Place.ABSENT

    @property
    def has_etcd(self) -> bool:
        """Runs, or has parked, a member of etcd."""
        return self.manifests.get("etcd", Place.ABSENT) is not Place.ABSENT


class ControlPlaneFacts(Model):
    """All nodes of the profile at one moment."""

    observed_at: UtcTime
    nodes: tuple[ControlPlaneNode, ...]
    live_revision: int | None = Field(default=None, description="of the cluster as it is, when a member still says it")


class RestoreTarget(Model):
    """One member of the new cluster."""

    node: str
    member: MemberOnNode
    tools: str


class RestorePlan(Plan):
    """The restore: an id that its traces on the nodes carry, members, and the nodes whose control plane stops."""

    id: str = ""
    backup: str = ""
    targets: tuple[RestoreTarget, ...] = ()
    control_planes: tuple[str, ...] = ()
    others: tuple[str, ...] = Field(default=(), description="nodes whose kubelet is restarted only")

    @property
    def initial_cluster(self) -> str:
        """As `etcdutl snapshot restore` wants it."""
        return ",".join(f"{target.member.name}={target.member.peer_url}" for target in self.targets)

    @property
    def record(self) -> RestoreRecord:
        """For the nodes."""
        return RestoreRecord(
            id=self.id, backup=self.backup, members=tuple(target.member.name for target in self.targets)
        )


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
    nodes_not_ready: tuple[str, ...]
    leases_renewed: int
    written: str
    old_watch: str = Field(description="what a watch from before the restore is told")
