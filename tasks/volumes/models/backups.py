"""Models a backup of volumes: its manifest has all that is needed to use the snapshots when the cluster is gone."""

import re
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_serializer, model_validator

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Skip
from tasks.core.models.retention import Kept, Removed
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.facts import SnapshotClass
from tasks.volumes.models.freezes import Quiesced
from tasks.volumes.models.selection import Selection

_TIME = "%Y%m%dT%H%M%SZ"
_RUN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID = re.compile(rf"(\d{{8}}T\d{{6}}Z)-([0-9a-f]{{8}})-({_RUN})")


class VolumeBackupId(Model):
    """Identifies a backup by `<time>-<series>-<run>`. The id sorts by time."""

    taken_at: UtcTime
    series: str = Field(pattern=r"^[0-9a-f]{8}$", description="the same for all backups of one selection")
    run: str = Field(pattern=rf"^{_RUN}$", description="id of the flow run")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not (found := _ID.fullmatch(value)):
            message = "not the id of a backup of volumes, for example 20261123T120000Z-0a1b2c3d-4e5f7061-8293-a4b5-c6d7-e8f90a1b2c3d"
            raise ValueError(message)
        taken_at = datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)
        return {"taken_at": taken_at, "series": found[2], "run": found[3]}

    @model_serializer
    def __str__(self) -> str:
        return f"{self.taken_at:{_TIME}}-{self.series}-{self.run}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parses an id into its parts; None if `text` is not an id."""
        try:
            return cls.model_validate(text)
        except ValidationError:
            return None


class VolumeRecord(Model):
    """This is one snapshot of a backup, with what a new cluster needs to use it."""

    namespace: str
    claim: str
    claim_uid: str
    volume: str
    volume_handle: str
    driver: str
    snapshot: str = Field(description="name of the VolumeSnapshot")
    snapshot_uid: str
    content: str = Field(description="name of the VolumeSnapshotContent")
    handle: str = Field(description="name of the snapshot at the storage")
    restore_size: int = Field(
        description="bytes that a volume needs that is restored from it; 0 if the driver does not say"
    )
    cut_at: UtcTime = Field(description="by the clock of the storage")
    created_at: UtcTime | None = Field(
        default=None, description="the same by the clock of the API server; None if an older version made it"
    )
    mode: Literal["Filesystem", "Block"]
    snapshot_class: SnapshotClass


class VolumeBackup(Model):
    """Represents the manifest, which is written last; without it, snapshots and archives are no backup."""

    format: Literal[1] = 1
    id: str
    cluster: str
    selection: Selection
    records: tuple[VolumeRecord, ...] = ()
    archives: tuple[Archive, ...] = Field(default=(), description="volumes of nodes, copied into the bucket")
    objects: tuple[dict[str, Any], ...] = Field(
        default=(), description="the claims and their volumes, without what the server fills in"
    )
    quiesced: tuple[Quiesced, ...] = Field(
        default=(), description="containers that were frozen while all snapshots were cut"
    )
    left_out: tuple[Skip, ...] = Field(default=(), description="claims of the selection that are not in it, and why")
    tool: str = Field(description="name and version of what wrote this")
    flow_run: str
    written_at: UtcTime

    @model_validator(mode="after")
    def _has_data(self) -> Self:
        if not self.records and not self.archives:
            message = "has neither a snapshot nor an archive"
            raise ValueError(message)
        return self

    @property
    def spread(self) -> float:
        """Returns the seconds between the first and the last snapshot; 0 if there is none."""
        times = [one.cut_at for one in self.records]
        return (max(times) - min(times)).total_seconds() if times else 0

    @property
    def is_quiesced(self) -> bool:
        """Checks whether each snapshot was cut while a container that mounts its claim was frozen."""
        frozen = {claim for one in self.quiesced for claim in one.claims}
        return all(f"{one.namespace}/{one.claim}" in frozen for one in self.records)


class SnapshotsKept(Model):
    """These are the snapshots of a run, proven, and set to Retain."""

    records: tuple[VolumeRecord, ...]


class Cut(Model):
    """This is which snapshots the storage has cut."""

    created: tuple[str, ...] = Field(default=(), description="VolumeSnapshots that this attempt created")
    present: tuple[str, ...] = Field(default=(), description="VolumeSnapshots that an earlier attempt created")
    quiesced: tuple[Quiesced, ...] = Field(default=(), description="containers that were frozen meanwhile")


class Expired(Model):
    """This is what retention did with the backups of one selection, and with what interrupted runs left."""

    kept: tuple[Kept, ...] = ()
    removed: tuple[Removed, ...] = ()
    swept: tuple[str, ...] = Field(default=(), description="snapshots of interrupted runs that were removed")
    swept_archives: tuple[str, ...] = Field(
        default=(), description="object keys of interrupted runs, removed or aborted"
    )
    left: tuple[Skip, ...] = Field(default=(), description="what stays although no rule keeps it, and why")
