"""Models a control plane node: its static pods, its etcd member, and a restore that has begun there."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import FIGURES, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile import EtcdOnNode

UNIT = "etcd.service"
"""Names the systemd unit of an etcd that is no static pod, as distributions and the kubeadm documentation call it."""


class Place(StrEnum):
    """States where the manifest of a static pod is."""

    ACTIVE = "active"
    PARKED = "parked"
    ABSENT = "absent"


class Phase(StrEnum):
    """States how far a restore has progressed on a node; each phase begins after the previous one is proven."""

    PREPARED = "prepared"
    """The new data directory is beside the old one, and nothing was disturbed."""
    STOPPED = "stopped"
    """The API server, the controllers and etcd are parked, and their processes are gone."""
    SWAPPED = "swapped"
    """The new data directory is in its place, and the old one is kept beside it."""
    SERVING = "serving"
    """etcd has quorum on the restored data and API servers were started on it, so `rollback` is no longer possible."""


class RestoreRecord(Model):
    """Records a restore on each node, so that any later run can determine what is left to do.

    An attempt whose members have changed is replaced by another attempt. The new record keeps the record of the first
    one. These records form a chain. At its end is the attempt that found the original data.
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
        """Lists this attempt and the attempts before it, the newest first."""
        return (self, *(self.replaces.chain if self.replaces else ()))

    @property
    def served(self) -> "RestoreRecord | None":
        """Returns the newest earlier attempt on whose data API servers have run.

        `rollback` cannot go back further than that attempt. None if there is no such attempt.
        """
        return next((one for one in self.chain[1:] if one.phase is Phase.SERVING), None)

    @property
    def attempts(self) -> tuple[str, ...]:
        """Lists the ids of the attempts, the oldest first.

        What existed before the first of them is the original data, which `rollback` puts back.
        """
        chain = self.chain
        return tuple(one.id for one in reversed(chain[: chain.index(self.served)] if self.served else chain))


class MemberOnNode(Model):
    """Describes an etcd member as its static pod or systemd unit configures it, and the disk that holds its data."""

    COVERED: ClassVar[Reasons] = {
        "name image unit version data_dir is_mount owner data_problem obstacles peer_url client_url peers on_node held_by": "the member that is "
        "replaced"
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
    data_problem: str = Field(default="", description="why the three of them, or the mount point, are not known")
    obstacles: tuple[str, ...] = Field(default=(), description="why a restore of ours cannot replace its data")
    peer_url: str
    client_url: str
    peers: tuple[str, ...] = Field(default=(), description="members that it knew when it joined")
    on_node: EtcdOnNode
    held_by: str = Field(
        default="", description="a process, neither its static pod's nor its unit's, that has the database open"
    )

    @property
    def minor(self) -> str:
        """Returns the minor version of the programs that restore its data, for example 3.6."""
        return ".".join(self.version.split(".")[:2])

    def beside(self, name: str) -> PurePosixPath:
        """Returns a folder on the file system of the data directory, so that a move between the two is one rename."""
        return self.data_dir / name if self.is_mount else PurePosixPath(f"{self.data_dir}.{name}")


class ControlPlaneNode(Model):
    """Describes what was observed on one node."""

    name: str
    unreached: str = ""
    manifests: dict[str, Place] = Field(default={}, description="of each pod of the control plane that has one")
    doubles: dict[str, str] = Field(
        default={}, description="other files where its kubelet finds static pods, to the pod of the control plane in it"
    )
    running: tuple[str, ...] = Field(
        default=(), description="of the control plane's programs: by their containers, or by etcd's unit"
    )
    unseen: str = Field(default="", description="why its processes could not be read; then nobody knows what runs")
    kubelet_problem: str = Field(
        default="", description="why its kubelet does not run; empty where it does, and on a machine without one"
    )
    kubelet_is_off: bool = Field(default=False, description="it does not run, and a restore does not start it")
    electing: tuple[str, ...] = Field(
        default=(), description="static pods that elect a leader by the Lease of their name in kube-system"
    )
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
    work_problem: str = Field(default="", description="why that is not known")
    record: RestoreRecord | None = Field(default=None, description="of a restore that has not ended")
    ended: tuple[str, ...] = Field(default=(), description="ids of restores that finished here")
    over: tuple[str, ...] = Field(
        default=(),
        description="ids of attempts that were rolled back or replaced: a record of one is of no restore any more",
    )
    tools: str = Field(default="", description="folder with etcdutl, or empty")
    tools_problem: str = ""

    @property
    def is_control_plane(self) -> bool:
        """True if the node runs an API server, or has a parked one."""
        return self.manifests.get("kube-apiserver", Place.ABSENT) is not Place.ABSENT

    @property
    def has_etcd(self) -> bool:
        """True if the node runs a member of etcd, or has a parked one."""
        return bool(self.member or self.not_understood)
