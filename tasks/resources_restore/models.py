"""Models what a restore of objects may do, what the API server says about each object, and what was done."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple
from urllib.parse import quote

from pydantic import Field, StringConstraints

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Caution, Refusal
from tasks.core.models.profile import ClusterName

JSON = dict[str, Any]

BackupName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""This is the id of a backup, or latest."""

NamespaceMap = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+=[a-z0-9-]+$", max_length=127)]
"""This is OLD=NEW: objects of the namespace OLD are restored into the namespace NEW."""


class Existing(StrEnum):
    """This is what a run does with an object that exists and differs from the backup."""

    LEAVE = "leave"
    UPDATE = "update"


class Select(Model):
    """This says which objects of a backup are meant; an empty list means all. An object has to match every list."""

    COVERED: ClassVar[Reasons] = {"kinds namespaces names labels": CHOICE}

    kinds: tuple[str, ...] = Field(default=(), description="kinds or resources, such as ConfigMap or deployments.apps")
    namespaces: tuple[str, ...] = Field(default=(), description="namespaces in the backup")
    names: tuple[str, ...] = Field(default=(), description="names of objects, with * for any text")
    labels: str = Field(default="", max_length=1000, description="a label selector, such as app=web,tier!=test")

    @property
    def is_empty(self) -> bool:
        """Checks whether everything in the backup is meant."""
        return not (self.kinds or self.namespaces or self.names or self.labels)


class ResourceRestoreOptions(Model):
    """These are the choices of `resources_restore`."""

    COVERED: ClassVar[Reasons] = {
        "existing force into_namespace from_cluster delete_extra skip_failing": CHOICE,
    }

    existing: Existing = Field(
        default=Existing.LEAVE, description="leave objects that exist as they are, or update them to the backup"
    )
    force: tuple[str, ...] = Field(
        default=(), description="objects whose fields are taken from other managers, such as ConfigMap/shop/settings"
    )
    into_namespace: tuple[NamespaceMap, ...] = Field(
        default=(), description="OLD=NEW restores objects of the namespace OLD into NEW"
    )
    from_cluster: ClusterName | None = Field(
        default=None, description="cluster whose backup it is, in the same bucket; default is the cluster itself"
    )
    delete_extra: bool = Field(
        default=False, description="delete selected objects that the backup does not have; never generated ones"
    )
    skip_failing: bool = Field(
        default=False, description="leave out objects that cannot be restored, and restore the others"
    )


class Verdict(StrEnum):
    """This is what the API server says about one object of the backup."""

    CREATE = "create"
    UPDATE = "update"
    AFTER = "create after"
    """Its namespace or its CustomResourceDefinition is made by the same run."""
    UNCHANGED = "unchanged"
    LEAVE = "leave"
    """It exists, differs, and was not to be changed."""
    CONFLICT = "conflict"
    IMMUTABLE = "immutable field"
    GONE = "kind not served"
    SILENT = "kind does not answer"
    MISSING = "namespace missing"
    QUOTA = "quota"
    WEBHOOK = "webhook"
    FORBIDDEN = "forbidden"
    TERMINATING = "being deleted"
    SEALED = "no data"
    INVALID = "invalid"
    UNKNOWN = "unknown"


ACTED = frozenset({Verdict.CREATE, Verdict.UPDATE, Verdict.AFTER})
"""Lists the verdicts with which an object is written."""

FINE = ACTED | {Verdict.UNCHANGED, Verdict.LEAVE}
"""Lists the verdicts that are in nobody's way."""


class Key(NamedTuple):
    """Names an object in any version of its API."""

    group: str
    kind: str
    namespace: str
    name: str


class Target(Model):
    """This is an object of the backup, and its place in the cluster."""

    group: str = ""
    version: str
    kind: str
    resource: str
    namespaced: bool
    namespace: str = Field(default="", description="in the cluster; the backup may have another")
    name: str
    source: str = Field(default="", description="its namespace in the backup")
    sealed: bool = Field(default=False, description="a Secret whose data is encrypted in the backup")

    @property
    def key(self) -> Key:
        """Returns what names it in the cluster."""
        return Key(self.group, self.kind, self.namespace, self.name)

    @property
    def api_version(self) -> str:
        """Returns the apiVersion of its body."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> str:
        """Returns the path of all objects of its kind in its place."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{quote(self.namespace)}" if self.namespaced else ""
        return f"{root}{within}/{self.resource}"

    @property
    def path(self) -> str:
        """Returns its path in the API."""
        return f"{self.collection}/{quote(self.name, safe='')}"

    @property
    def label(self) -> str:
        """Returns its name for people, for example `ConfigMap shop/settings`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespaced else f"{self.kind} {self.name}"

    @property
    def typed(self) -> str:
        """Returns its name as `--force` takes it."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


class Judged(Model):
    """This is one object, and the API server's answer to its dry run."""

    target: Target
    verdict: Verdict
    reason: str = Field(default="", description="why, in the API server's words where there are any")
    next_step: str = ""
    difference: tuple[str, ...] = Field(default=(), description="what the update changes; no value of a Secret")
    kept: tuple[str, ...] = Field(
        default=(), description="fields of the object in the cluster that the backup does not have, and that stay"
    )
    notes: tuple[str, ...] = Field(default=(), description="what is restored otherwise than the backup has it")
    after: Key | None = Field(default=None, description="object of this run without which it cannot be written")
    awaited: tuple[Key, ...] = Field(
        default=(), description="owners that are not in the cluster: this run may bring them"
    )
    uid: str = Field(default="", description="of the object in the cluster; empty if there is none")
    is_released: bool = Field(
        default=False, description="a volume of the cluster that waits for a claim that is gone; the new claim gets it"
    )

    @property
    def is_fine(self) -> bool:
        """Checks whether the object is in nobody's way."""
        return self.verdict in FINE


class LeftOut(Model):
    """This is an object that is not restored, and why."""

    label: str
    reason: str


class RestoreFacts(Model):
    """This is everything that a restore knows before it acts."""

    observed_at: UtcTime
    backup: str
    from_cluster: str
    taken_at: UtcTime | None = None
    judged: tuple[Judged, ...] = Field(default=(), description="in the order in which they are restored")
    left: tuple[LeftOut, ...] = ()
    extra: tuple[Judged, ...] = Field(default=(), description="objects that the backup does not have")
    refusals: tuple[Refusal, ...] = ()
    cautions: tuple[Caution, ...] = ()


class Failure(Model):
    """This is an object that could not be restored or proven, and why."""

    label: str
    problem: str
    next_step: str = ""


class Restored(Model):
    """This is what a step did with the objects."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    already: tuple[str, ...] = Field(default=(), description="objects that were as planned before this attempt")
    waiting: tuple[str, ...] = Field(default=(), description="volumes that stay Retain until they are bound")
    failed: tuple[Failure, ...] = ()


class RestoreProof(Model):
    """This is the proof: what the API server has now."""

    same: int = Field(default=0, description="objects that were read back, and that the backup would not change")
    unasked: tuple[Failure, ...] = Field(
        default=(), description="those of them that were only compared, because the API server refuses a dry run now"
    )
    failed: tuple[Failure, ...] = ()


class Compared(Model):
    """This is what a drill found out about one namespace."""

    namespace: str
    throwaway: str
    restored: int = Field(default=0, description="objects that were created, read back and found equal")
    tried: int = Field(default=0, description="objects that the API server accepted in a dry run")
    left: tuple[LeftOut, ...] = ()
    failed: tuple[Failure, ...] = ()


class Drilled(Model):
    """This is what a drill restored and compared."""

    backup: str
    taken_at: UtcTime
    namespaces: tuple[Compared, ...] = ()
    cluster_scoped: int = Field(default=0, description="objects without a namespace that the API server accepts")
    left: tuple[LeftOut, ...] = ()
    failed: tuple[Failure, ...] = ()
    removed: tuple[str, ...] = Field(default=(), description="throw-away namespaces, also those of earlier runs")
