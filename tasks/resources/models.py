"""Models a backup of the API's objects: a manifest, an entry for each object, and packs that hold the files."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal, NamedTuple

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Skip
from tasks.core.models.profile.resources import ResourceFilter
from tasks.core.models.retention import RetentionDecision


class Kind(NamedTuple):
    """This is a kind that the API serves, in the version that the API prefers."""

    group: str
    version: str
    kind: str
    resource: str
    namespaced: bool
    aggregated: bool = False
    """Another server than the API server answers for it, so it has revisions of its own."""

    @property
    def api_version(self) -> str:
        """Returns the apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """Returns the API's path of all its objects."""
        return (
            f"/apis/{self.group}/{self.version}/{self.resource}"
            if self.group
            else f"/api/{self.version}/{self.resource}"
        )

    @property
    def label(self) -> str:
        """Returns the name as kubectl takes it, for example deployments.apps."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


class Entry(NamedTuple):
    """This is one object of a backup: which one it is, and where its file is."""

    group: str
    version: str
    kind: str
    resource: str
    namespaced: bool
    namespace: str
    name: str
    uid: str
    resource_version: str
    sha256: str
    """The digest of the canonical YAML file; of a Secret, the readable part alone."""
    pack: str
    """The pack that has the file, as a name below `packs/`."""
    file: str
    """The path in the pack: `cluster/GROUP/KIND/NAME.yaml` or `namespaces/NAMESPACE/GROUP/KIND/NAME.yaml`."""
    sealed: str
    """The pack that has the encrypted part of a Secret; empty if the object has none."""
    writers: str
    """Who wrote the object, from managedFields, the newest first: `kubectl-edit 2026-12-01T12:00:00Z; ...`."""

    @property
    def api_version(self) -> str:
        """Returns the apiVersion of the object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Returns what names the object in any backup; the version of its API may change."""
        return self.group, self.kind, self.namespace, self.name

    @property
    def label(self) -> str:
        """Returns the name that people read and type: KIND/NAMESPACE/NAME, or KIND/NAME."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


class Pack(Model):
    """This is a stored pack; its name is the sha256 of its bytes."""

    name: str
    size: int
    files: int
    run: str = Field(default="", description="id of the run that stored it")


class LeftOut(Model):
    """This is what a backup does not have on purpose, and why."""

    what: str = Field(description="the kind, for example leases.coordination.k8s.io")
    count: int
    reason: str


class Index(Model):
    """This is the list of the entries, an object of its own."""

    sha256: str
    size: int
    entries: int


class Figures(Model):
    """Tells what a backup took."""

    took: timedelta
    requests: int = Field(description="requests to the API")
    dumped: int = Field(description="objects whose file was written; the others are those of the previous backup")
    new_packs: int
    new_bytes: int = Field(description="bytes that this backup added to the bucket, without the manifest")


class Filters(Model):
    """These are the rules of the profile by which objects were left out: what a backup does not have may exist."""

    include: tuple[ResourceFilter, ...] = ()
    exclude: tuple[ResourceFilter, ...] = ()


class Manifest(Model):
    """Represents `manifest.json`, which is written last: without it there is no backup.

    The entries are in an object of their own, and are no part of the JSON.
    """

    format: Literal[1] = 1
    id: str
    cluster: str
    run_id: str
    taken_at: UtcTime
    instant: str = Field(description="resourceVersion at which all kinds were read; empty if there is none")
    why_not: str = Field(default="", description="why the backup is not one instant")
    later: tuple[Skip, ...] = Field(default=(), description="kinds that were not read at the instant, and why")
    kubernetes_version: str
    rules: str = Field(description="digest of the rules by which files are written; other rules write all files again")
    filters: Filters | None = Field(
        default=None, description="include and exclude of the profile; None in backups that do not say it"
    )
    recipients: tuple[str, ...] = Field(default=(), description="who can decrypt the Secrets")
    counts: dict[str, int] = Field(description="objects by kind")
    left_out: tuple[LeftOut, ...] = ()
    not_read: tuple[Skip, ...] = Field(default=(), description="kinds that did not answer: the backup is partial")
    packs: tuple[Pack, ...]
    index: Index
    previous: str = Field(default="", description="id of the backup that this one shares files with")
    corrupt: tuple[Skip, ...] = Field(
        default=(),
        description="packs of earlier backups that are not whole; this backup has written their objects again",
    )
    figures: Figures
    entries: tuple[Entry, ...] = Field(default=(), exclude=True)

    @property
    def is_partial(self) -> bool:
        """Checks whether a kind is missing that should be there."""
        return bool(self.not_read)

    @property
    def state(self) -> str:
        """Returns the state in one word."""
        return "partial" if self.is_partial else "complete"

    def find(self, *, kind: str = "", namespace: str = "", name: str = "") -> Iterator[Entry]:
        """Yields the entries that fit; an empty word fits all. A kind is also its resource, or RESOURCE.GROUP."""
        asked = kind.casefold()
        for one in self.entries:
            names = {
                one.kind.casefold(),
                one.resource,
                f"{one.resource}.{one.group}",
                f"{one.kind}.{one.group}".casefold(),
            }
            if (not asked or asked in names) and namespace in {"", one.namespace} and name in {"", one.name}:
                yield one


class ResourceFacts(Model):
    """Tells which kinds a backup reads, and which it does not."""

    kinds: tuple[Kind, ...]
    left_out: tuple[LeftOut, ...] = ()
    silent: tuple[Skip, ...] = Field(default=(), description="groups whose API server does not answer")
    recipients: tuple[str, ...] = ()


class FilesProof(Model):
    """Proves that what the bucket has is what was written."""

    files: int = Field(description="files whose sha256 was computed again")
    packs: int = Field(description="packs that were read again, those with encrypted values included")
    present: int = Field(
        description="packs of earlier backups, which were read back then, and are stored in their size"
    )
    took: timedelta


class Change(Model):
    """This is a difference between two backups."""

    action: Literal["created", "deleted", "changed"]
    kind: str
    group: str
    namespace: str
    name: str
    by: str = Field(default="", description="who wrote it last, and when")
    diff: str = Field(default="", description="unified; of a Secret without values")
    note: str = ""

    @property
    def label(self) -> str:
        """Returns the name that people read."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


class Comparison(Model):
    """Tells what changed between two backups."""

    older: str
    newer: str
    created: int = 0
    deleted: int = 0
    changed: int = 0
    not_compared: tuple[str, ...] = Field(default=(), description="kinds that one of the backups did not read")
    earlier: tuple[Skip, ...] = Field(
        default=(),
        description="kinds that the older backup did not read, each with the backup that they are compared with",
    )
    changes: tuple[Change, ...] = Field(default=(), exclude=True)

    @property
    def sentence(self) -> str:
        """Returns the numbers as people read them."""
        return f"{self.created} created, {self.changed} changed, {self.deleted} deleted"


class Cleaned(Model):
    """Lists what was removed from the bucket, and what will be."""

    retention: RetentionDecision
    packs: tuple[str, ...] = Field(default=(), description="packs that no backup used for longer than the grace time")
    marked: int = Field(default=0, description="packs that no backup uses now; a later run removes them")
    leftovers: tuple[str, ...] = Field(default=(), description="objects of runs that were interrupted")
    left: tuple[Skip, ...] = Field(default=(), description="what the store did not delete, and why")
    broken: tuple[Skip, ...] = Field(
        default=(), description="backups that are not whole: the bucket lost packs of them"
    )
