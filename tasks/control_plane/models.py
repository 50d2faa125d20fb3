"""A control plane node: its static pods, its etcd member, and the restore that has begun there."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import FIGURES, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile import EtcdOnNode

UNIT = "etcd.service"
"""Of an etcd that is no static pod, as distributions and the documentation of kubeadm call it."""


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
