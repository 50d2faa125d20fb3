"""Models a backup: a verified snapshot, and its manifest, which is written last; without a manifest it is no backup."""

import re
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_serializer, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.etcd import KeySpaceHash, Member
from tasks.core.models.plan import Caution, Plan, Skip
from tasks.core.models.profile import Route

_TIME = "%Y%m%dT%H%M%SZ"
_RUN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID = re.compile(rf"(\d{{8}}T\d{{6}}Z)-(\d+)-({_RUN}|[0-9a-f]{{8}})")


class BackupId(Model):
    """Identifies a backup by `<time>-<revision>-<run>`.

    The id sorts by time, and two runs in one second never share a key.

    The run is the flow run's whole id. Prefect's scheduler gives all runs of a batch ids that begin with the same 8 to
    12 digits. A shortened id would name more than one run.
    """

    taken_at: UtcTime
    revision: int = Field(ge=0)
    run: str = Field(
        pattern=rf"^({_RUN}|[0-9a-f]{{8}})$",
        description="the flow run's whole id; backups made before 2026-12 have its first eight digits, which belong to no run",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not (found := _ID.fullmatch(value)):
            message = "not the id of a backup, for example 20261123T120000Z-4711-0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9"
            raise ValueError(message)
        return {
            "taken_at": datetime.strptime(found[1], _TIME).replace(tzinfo=UTC),
            "revision": found[2],
            "run": found[3],
        }

    @model_serializer
    def __str__(self) -> str:
        return f"{self.taken_at:{_TIME}}-{self.revision}-{self.run}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parses an id into its parts; None if `text` is not an id."""
        try:
            return cls.model_validate(text)
        except ValidationError:
            return None


class BackupPlan(Plan):
    """Plans whose snapshot is taken and by which route: the members that may be queried, the best first."""

    COVERED: ClassVar[Reasons] = {"cluster_id sources": "whose snapshot is taken"}

    cluster_id: str = ""
    sources: tuple[Member, ...] = ()


class Digest(Model):
    """Holds the size and sha256 of some bytes."""

    size: int
    sha256: str


class Origin(Model):
    """Describes which cluster a snapshot belongs to, by its own content; a part that could not be read is empty."""

    members: tuple[str, ...] = Field(default=(), description="names of etcd's members")
    nodes: tuple[str, ...] = Field(default=(), description="names of the Node objects")
    authorities: tuple[str, ...] = Field(
        default=(), description="sha256 of the CA certificates that the cluster gives to its pods (kube-root-ca.crt)"
    )


class Snapshot(Model):
    """Describes a snapshot that was sent to the store, and what was observed on the way."""

    backup_id: BackupId
    key: str = Field(description="object key of the compressed snapshot")
    cluster_id: str
    member: str
    member_id: str
    route: Route
    node: str | None = Field(default=None, description="whose member it was, where the profile names it")
    etcd_version: str
    storage_version: str
    revision: int = Field(description="every write up to it is in the snapshot; later ones may be")
    newest_revision: int = Field(description="no write after it is in the snapshot")
    key_count: int = Field(description="live keys at `revision`")
    live_hash: KeySpaceHash = Field(description="of the live member at `revision`, asked while the snapshot was taken")
    origin: Origin = Field(default=Origin(), description="empty in backups of versions that did not ask")
    plain: Digest = Field(description="the snapshot as etcd sent it, its sha256 trailer included")
    stored: Digest = Field(description="the object in the store")
    taken_at: UtcTime
    took: timedelta


class ReadBack(Model):
    """Proves that the whole stored object was read and is what was sent.

    Decompressed, it is the snapshot that etcd sent.
    """

    stored: Digest
    plain: Digest
    took: timedelta


class Drill(Model):
    """Proves that the backup was restored into a scratch etcd, and that its key space is the live member's."""

    backup_id: BackupId
    revision: int = Field(description="at which both hashes were taken")
    restored_revision: int = Field(description="newest revision in the restored database")
    restored_keys: int = Field(description="live keys at `revision`")
    restored_hash: KeySpaceHash
    live_hash: KeySpaceHash
    etcd_version: str = Field(description="of the scratch etcd")
    took: timedelta


class Pki(Model):
    """Describes the control plane's key material beside the snapshot.

    It is a tar that was encrypted before it left the worker's memory.
    """

    key: str = Field(description="object key of the encrypted tar")
    stored: Digest = Field(description="the object in the store, read back")
    node: str = Field(description="that it was read from")
    paths: tuple[str, ...] = Field(description="what is in it")
    absent: tuple[Skip, ...] = Field(default=(), description="what is not in it, and why that is in order")
    cautions: tuple[Caution, ...] = ()
    recipients: tuple[str, ...] = Field(description="for whom it is encrypted: each of them alone can read it")
    read_at: UtcTime
    took: timedelta


class Swept(Model):
    """Lists the removed leftovers of interrupted runs by object key, and those that the store did not delete."""

    uploads: tuple[str, ...]
    objects: tuple[str, ...]
    left: tuple[Skip, ...] = Field(default=(), description="what stays, by object key, and the store's reason")


class BackupProof(Model):
    """Proves that a backup is the work of one run.

    It is read from the store again after the backup's manifest was written.
    """

    backup: str
    flow_run: str = Field(description="whole id of the flow run, as the manifest has it")
    taken_at: UtcTime
    run_began_at: UtcTime = Field(description="when this attempt of the run began")


class Freshness(Model):
    """Names the newest good backup, and how old it is."""

    newest: BackupId
    age: timedelta
    rpo: timedelta = Field(description="the profile's backup.rpo")
    not_counted: tuple[Skip, ...] = Field(default=(), description="backups with a time in the future, and the reason")


class Backup(Model):
    """Represents the manifest: what was backed up, where it is, and what was proven about it."""

    format: Literal[1] = 1
    id: str
    cluster: str
    snapshot: Snapshot
    compression: Literal["zstd"] = "zstd"
    read_back: ReadBack
    drill: Drill | None = None
    pki: Pki | None = Field(default=None, description="none when the run was not asked for it")
    tool: str = Field(description="name and version of what wrote this")
    flow_run: str
    written_at: UtcTime
