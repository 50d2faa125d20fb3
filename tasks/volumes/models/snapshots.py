"""Models snapshots as the API has them: each is a pair of objects that name each other."""

from pydantic import Field

from tasks.core.models.base import Model, UtcTime

RUN = "kube-runbooks.io/volumes-run"
"""Names the label that both objects of a snapshot have: the flow run that took it."""

BACKUP = "kube-runbooks.io/volumes-backup"
"""Names the annotation that the snapshot has as soon as the backup's manifest is in the bucket."""

POLICY = "kube-runbooks.io/deletion-policy"
"""Names the annotation with the deletion policy that the class gave, before the run set Retain."""


class Snapshot(Model):
    """This is a VolumeSnapshot."""

    namespace: str
    name: str
    uid: str
    run: str = Field(default="", description="flow run that took it; empty if it is not ours")
    backup: str = Field(default="", description="backup to which it belongs; empty until that has its manifest")
    claim: str = ""
    content: str = Field(default="", description="name of its VolumeSnapshotContent, as its status has it")
    is_ready: bool = False
    is_seen: bool = Field(default=False, description="whether a controller has written anything into it")
    error: str = ""
    deleting: bool = False
    created_at: UtcTime

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class Content(Model):
    """This is a VolumeSnapshotContent."""

    name: str
    run: str = Field(default="", description="flow run that took it; empty if it is not ours")
    backup: str = Field(default="", description="backup to which it belongs; empty until that has its manifest")
    driver: str
    policy: str = Field(description="deletion policy: Delete or Retain")
    class_policy: str = Field(default="", description="policy that the class gave, before the run set Retain")
    snapshot: str = Field(description="NAMESPACE/NAME of its VolumeSnapshot")
    snapshot_uid: str = ""
    volume: str = Field(default="", description="volume at the storage of which it was taken; empty if it was imported")
    handle: str = Field(default="", description="name of the snapshot at the storage")
    size: int = Field(default=0, description="bytes that a volume needs that is restored from it")
    cut_at: UtcTime | None = None
    is_ready: bool = False
    is_seen: bool = Field(default=False, description="whether the driver's sidecar has written anything into it")
    block: bool = False
    error: str = ""
    created_at: UtcTime


class Pair(Model):
    """This is a snapshot with both of its objects, each of which may be missing."""

    snapshot: Snapshot | None = None
    content: Content | None = None

    @property
    def run(self) -> str:
        """Returns the flow run that took it."""
        return next((one.run for one in self.parts if one.run), "")

    @property
    def backup(self) -> str:
        """Returns the backup to which it belongs; empty until that has its manifest."""
        return next((one.backup for one in self.parts if one.backup), "")

    @property
    def parts(self) -> "tuple[Snapshot | Content, ...]":
        """Returns the objects that exist."""
        return tuple(one for one in (self.snapshot, self.content) if one)

    @property
    def id(self) -> str:
        """Returns the name for people."""
        if self.snapshot:
            return f"VolumeSnapshot {self.snapshot.id}"
        return f"VolumeSnapshotContent {self.content.name}" if self.content else "nothing"
