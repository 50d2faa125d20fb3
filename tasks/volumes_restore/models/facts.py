"""Models the claims of a backup as the cluster has them now, and the plan of their restore."""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Plan
from tasks.core.models.profile import VolumeCheck
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import VolumeRecord
from tasks.volumes.models.facts import SnapshotClass
from tasks.volumes.models.places import Place
from tasks.volumes_restore.models.checks import Checked, LeftPod, Trial
from tasks.workloads.models.names import Ref

RESTORE = "kube-runbooks.io/volumes-restore"
"""Names the label of what a restore made (its value is the mark), and the annotation of a new volume with its journal."""

REPLICAS = "kube-runbooks.io/volumes-restore-replicas"
"""Names the annotation of a stopped workload: how many replicas it had."""

REPLACED = "kube-runbooks.io/volumes-replaced"
"""Names the label of an old volume, and the annotation with its claim, by which it can be taken back."""

RECLAIM = "kube-runbooks.io/reclaim-policy"
"""Names the annotation of an old volume: the reclaim policy that it had before it was set to Retain."""


class Template(Model):
    """This is what a claim is made of."""

    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={}, description="without those that controllers write")
    owners: tuple[dict[str, Any], ...] = Field(default=(), description="owner references, as the API has them")
    access_modes: tuple[str, ...] = ()
    block: bool = False
    storage_class: str = ""
    attributes_class: str = Field(default="", description="VolumeAttributesClass")
    request: str = Field(default="", description="requested size, as the API has it")
    node: str = Field(default="", description="node for which its volume was made, with WaitForFirstConsumer")


class Live(Model):
    """This is a claim in the cluster, with its volume."""

    uid: str
    phase: str = ""
    deleting: bool = False
    mark: str = Field(
        default="", description="of the restore that made it, or object key of its archive; empty if it is not ours"
    )
    template: Template
    volume: str = Field(default="", description="name of its PersistentVolume; empty if it has none")
    volume_handle: str = Field(default="", description="name of that volume at the storage, or its path on a node")


class Journal(Model):
    """This is how far a switch is. The new volume has it as an annotation, so that any run can go on."""

    run: str
    backup: str
    namespace: str
    claim: str
    claim_uid: str = Field(default="", description="of the old claim; empty if there was none")
    old_volume: str = Field(default="", description="PersistentVolume of the old claim")
    temporary: str = Field(description="claim to which the new volume was bound first")
    policy: str = Field(description="reclaim policy that the new volume gets when it is bound")
    template: Template
    done: bool = False


class Way(StrEnum):
    """This is where the data of a snapshot comes from."""

    OBJECTS = "objects"
    """The VolumeSnapshot and its content are still here, and agree with the manifest."""
    HANDLE = "handle"
    """The snapshot at the storage is imported by its handle."""


class Source(Model):
    """This is the snapshot from which a claim is made."""

    way: Way
    snapshot: str = Field(description="name of the VolumeSnapshot")
    content: str = Field(description="name of the VolumeSnapshotContent")
    why: str


class User(Model):
    """This is a workload, or something else, whose pods use a claim."""

    name: str = Field(description="for people, as shop/deployment/web")
    claims: tuple[str, ...] = Field(description="claims that it uses, as NAMESPACE/NAME")
    ref: Ref | None = Field(default=None, description="None if it is nothing that can be scaled")
    uid: str = ""
    replicas: int = Field(default=0, description="before it was stopped")
    problem: Problem | None = Field(default=None, description="why it cannot be stopped")


class Existing(Model):
    """This is a volume that has the name of one which a restore makes."""

    name: str
    made_of: str = Field(default="", description="object key of the archive of which it was made; empty if of none")
    claim: str = Field(description="claim that it names, as NAMESPACE/NAME")
    claim_uid: str = Field(default="", description="uid of that claim; empty until it is bound")
    folder: str = Field(default="", description="its path, if it is a folder of a node")


class DiskClass(Model):
    """This is a StorageClass."""

    name: str
    provisioner: str
    waits: bool = Field(default=False, description="whether its volumes wait for a pod (WaitForFirstConsumer)")
    is_default: bool = False


class Found(Model):
    """This is a claim of the backup, and what the cluster has of it now."""

    record: VolumeRecord | Archive
    template: Template | None = Field(default=None, description="as it was at the backup; None if it is not recorded")
    live: Live | None = Field(default=None, description="the claim with its name")
    made: Live | None = Field(default=None, description="the claim that this restore makes, by its name")
    journal: Journal | None = Field(default=None, description="of a switch of this claim that is not finished")
    new_volume: str = Field(default="", description="the volume with that journal")
    denied: str = Field(default="", description="why the API server does not take the new claim, by its dry run")
    restored_by: str = Field(default="", description="run that has given the claim the data of this backup before")
    finished: bool = Field(default=False, description="whether this very run has switched it")
    has_namespace: bool = True

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.record.namespace}/{self.record.claim}"


class SnapshotFound(Found):
    """This is a claim of which the backup has a snapshot."""

    record: VolumeRecord
    source: Source
    node: str = Field(default="", description="a node on which a pod uses it")


class ArchiveFound(Found):
    """This is a claim of which the backup has an archive."""

    record: Archive
    volume: str = Field(default="", description="name of the volume that the archive becomes")
    policy: str = Field(default="", description="reclaim policy of its volume at the backup")
    folder: str = Field(default="", description="of that volume, if an earlier attempt has made it")
    place: Place | None = Field(default=None, description="the folder that gets it; None if its node did not say")
    problems: tuple[Problem, ...] = Field(
        default=(), description="why its node cannot restore it, or why no pod could use the new volume"
    )


class VolumeRestoreFacts(Model):
    """This is what a restore of volumes knows before it acts."""

    observed_at: UtcTime
    backup: str
    from_cluster: str
    has_snapshots: bool = True
    found: tuple[SnapshotFound, ...] = ()
    archives: tuple[ArchiveFound, ...] = ()
    users: tuple[User, ...] = Field(default=(), description="of the claims that are switched")
    checks: tuple[VolumeCheck, ...] = Field(default=(), description="of the profile, for the namespaces of the claims")
    checked: Checked = Field(default=Checked(), description="how those end before the restore, if claims are switched")
    trials: tuple[Trial, ...] = Field(default=(), description="pods that those need, if claims are restored beside")
    left: tuple[LeftPod, ...] = Field(default=(), description="such pods of interrupted runs")
    disk_classes: tuple[DiskClass, ...] = ()
    snapshot_classes: tuple[SnapshotClass, ...] = ()
    nodes: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[SnapshotFound | ArchiveFound, ...]:
        """Returns the claims with a snapshot, and those with an archive."""
        return (*self.found, *self.archives)


class RestoreTarget(Model):
    """This is a claim that is restored. How it gets its new volume differs; the switch to it does not."""

    record: VolumeRecord | Archive
    template: Template
    name: str = Field(description="of the claim with the restored data, in the end")
    made: str = Field(description="claim that gets the new volume first; the same if nothing is switched")
    mark: str
    sign: str = Field(description="what the claim carries that gets the new volume first")
    old: Live | None = Field(default=None, description="claim that is replaced")
    new_volume: str = Field(default="", description="an earlier attempt has made it and begun to switch to it")
    in_place: bool = Field(default=False, description="an earlier attempt has bound the claim to it")
    request: str = Field(description="size of the new claim")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME of the claim in the backup."""
        return f"{self.record.namespace}/{self.record.claim}"

    @property
    def is_switched(self) -> bool:
        """Checks whether the new volume takes the place of the old one."""
        return self.name != self.made

    @property
    def old_volume(self) -> str:
        """Returns the volume that is replaced; empty if there is none."""
        return self.old.volume if self.old and self.is_switched else ""


class SnapshotTarget(RestoreTarget):
    """This is a claim of whose snapshot the storage makes a new volume."""

    record: VolumeRecord
    source: Source
    snapshot_class: str = Field(default="", description="class of an imported snapshot; empty if none is needed")
    storage_class: str
    node: str = Field(default="", description="node for which its volume is made; empty if it needs none")


class ArchiveTarget(RestoreTarget):
    """This is a claim whose archive becomes a new folder of its node, with a new volume."""

    record: Archive
    suffix: str = Field(description="of the new folder and of the new volume")
    path: str = Field(description="of the new folder")
    is_named: bool = Field(default=False, description="a person named that folder, which exists")
    volume: str = Field(description="name of the new volume")


class VolumeRestorePlan(Plan):
    """Plans which claims are restored, from where, and which workloads stop meanwhile."""

    LEFT_OUT: ClassVar[Reasons] = {
        "backup snapshots archives users trials restored unproven left": "the steps and the terms say it; what is found is read again before each act"
    }

    backup: str = ""
    snapshots: tuple[SnapshotTarget, ...] = ()
    archives: tuple[ArchiveTarget, ...] = ()
    users: tuple[User, ...] = ()
    trials: tuple[Trial, ...] = Field(default=(), description="pods that run checks of claims beside the old ones")
    restored: tuple[tuple[str, str], ...] = Field(
        default=(),
        description="claims, as NAMESPACE/NAME in the backup, that an earlier run has restored beside: their names",
    )
    unproven: tuple[str, ...] = Field(default=(), description="checks that cannot run, and why")
    left: tuple[LeftPod, ...] = Field(default=(), description="pods of checks that interrupted runs left")

    @property
    def targets(self) -> tuple[SnapshotTarget | ArchiveTarget, ...]:
        """Returns all claims that are restored."""
        return (*self.snapshots, *self.archives)

    @property
    def switched(self) -> tuple[SnapshotTarget | ArchiveTarget, ...]:
        """Returns the claims whose volume is replaced."""
        return tuple(one for one in self.targets if one.is_switched)

    @property
    def to_free(self) -> tuple[SnapshotTarget | ArchiveTarget, ...]:
        """Returns the claims that no pod may use now, because they get another volume."""
        return tuple(one for one in self.switched if not one.in_place)

    @property
    def to_stop(self) -> tuple[User, ...]:
        """Returns the workloads that use one of those."""
        claims = {one.id for one in self.to_free}
        return tuple(one for one in self.users if claims.intersection(one.claims))

    @property
    def locked_claims(self) -> tuple[str, ...]:
        """Returns the claims that only this run works with, as NAMESPACE/NAME in the backup."""
        checked = [one.claims for one in self.trials] + [one.claims for one in self.left]
        others = [claim for claims in checked for claim in claims]
        return tuple(dict.fromkeys([*(one.id for one in self.targets), *others]))

    @property
    def locks(self) -> tuple[tuple[str, str], ...]:
        """Returns namespace and name of what is locked: claims, and workloads as their rollouts lock them."""
        claims = [(space, f"claim/{name}") for space, _, name in (one.partition("/") for one in self.locked_claims)]
        return (*claims, *((one.ref.namespace, one.ref.workload) for one in self.users if one.ref))
