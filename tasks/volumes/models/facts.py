"""Models claims with their volumes, and the classes by which they can have snapshots."""

from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Plan
from tasks.core.models.profile import VolumeHook
from tasks.nodes.models.pods import NodeTerm
from tasks.volumes.models.archives import Home, PodOfClaim
from tasks.volumes.models.freezes import Freeze, HookPod


class Volume(Model):
    """This is a persistent volume: what stores its data."""

    COVERED: ClassVar[Reasons] = {"name uid driver handle source path node_terms": "which data is backed up"}

    name: str
    uid: str = ""
    driver: str = Field(default="", description="CSI driver; empty if it is no CSI volume")
    handle: str = Field(default="", description="name of the volume at the storage")
    source: str = Field(description="kind of the volume: csi, hostPath, local, nfs")
    path: str = Field(default="", description="on its node; empty unless it is of the kind local or hostPath")
    node_terms: tuple[NodeTerm, ...] | None = Field(default=None, description="its nodeAffinity; None if it has none")


class Claim(Model):
    """This is a PersistentVolumeClaim."""

    COVERED: ClassVar[Reasons] = {
        "namespace name uid phase volume storage_class access_modes block size deleting": "whose data is backed up"
    }

    namespace: str
    name: str
    uid: str
    phase: str = ""
    volume: str = Field(default="", description="name of its persistent volume; empty if it has none")
    storage_class: str = ""
    access_modes: tuple[str, ...] = ()
    block: bool = Field(default=False, description="a raw block device instead of a file system")
    size: str = Field(default="", description="capacity, as the API has it")
    deleting: bool = False

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class SnapshotClass(Model):
    """This is a VolumeSnapshotClass."""

    COVERED: ClassVar[Reasons] = {"name driver policy is_default secrets": "how the snapshots are taken and kept"}

    name: str
    driver: str
    policy: str = Field(description="Delete or Retain")
    is_default: bool = False
    secrets: tuple[str, ...] = Field(default=(), description="names of the Secrets that the driver gets")


class VolumeFacts(Model):
    """This is what a backup of volumes knows before it acts."""

    observed_at: UtcTime
    claims: tuple[Claim, ...] = ()
    missing: tuple[str, ...] = Field(default=(), description="what the selection names, and what does not exist")
    volumes: tuple[Volume, ...] = ()
    has_snapshots: bool = Field(description="whether the API serves snapshot.storage.k8s.io/v1")
    classes: tuple[SnapshotClass, ...] = ()
    hooks: tuple[VolumeHook, ...] = Field(default=(), description="those of the profile")
    pods: tuple[HookPod, ...] = Field(default=(), description="pods that hooks fit")
    users: tuple[PodOfClaim, ...] = Field(default=(), description="those that use a claim of the selection")
    homes: tuple[Home, ...] = Field(default=(), description="the nodes of the volumes that are a folder of a node")

    def home_of(self, volume: Volume) -> Home | None:
        """Returns the node of a volume; None if it is on no node."""
        return next((one for one in self.homes if one.volume == volume.name), None)

    def volume_of(self, claim: Claim) -> Volume | None:
        """Returns the volume of a claim; None if it does not exist."""
        return next((one for one in self.volumes if one.name == claim.volume), None)


class Target(Model):
    """This is a claim that gets a snapshot."""

    COVERED: ClassVar[Reasons] = {"claim volume snapshot_class": "whose data, and by which class"}

    claim: Claim
    volume: Volume
    snapshot_class: SnapshotClass


class ArchiveTarget(Model):
    """This is a claim of which its node makes an archive."""

    COVERED: ClassVar[Reasons] = {"claim volume node": "whose data, and from which node"}
    LEFT_OUT: ClassVar[Reasons] = {
        "size entries": "they change all the time",
        "boot_id": "it is checked right before the copy, and a new plan is as good",
    }

    claim: Claim
    volume: Volume
    node: str
    boot_id: str
    size: int
    entries: int


class VolumePlan(Plan):
    """Plans which claims get a snapshot, and of which their node makes an archive."""

    COVERED: ClassVar[Reasons] = {"targets archives": "whose data is backed up", "freezes": "which commands run where"}

    targets: tuple[Target, ...] = ()
    archives: tuple[ArchiveTarget, ...] = ()
    freezes: tuple[Freeze, ...] = Field(
        default=(), description="containers that are frozen while the snapshots are cut"
    )
