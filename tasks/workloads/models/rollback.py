"""Defines what a rollback is asked for, what it observes, and what it did."""

import hashlib
import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, Field

from tasks.check.models import Right
from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.request import Requested
from tasks.workloads.models.names import Ref
from tasks.workloads.models.rollout import Snapshot, Target

PREVIOUS = "previous"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RUN = re.compile(_UUID)
REVISION = re.compile(r"[1-9][0-9]{0,8}")
CONFIG_MAP, SECRET = "ConfigMap", "Secret"
RESOURCES = {CONFIG_MAP: "configmaps", SECRET: "secrets"}
SNAPSHOT = re.compile(rf"[0-9]{{8}}T[0-9]{{12}}Z-{_UUID}-(?:before|proven)")


def _is_a_goal(text: str) -> str:
    if text == PREVIOUS or any(form.fullmatch(text) for form in (REVISION, RUN, SNAPSHOT)):
        return text
    message = (
        f"{text!r} is no goal; write previous, the number of a revision, the id of a run (back to before that run), "
        "or the name of a snapshot"
    )
    raise ValueError(message)


Goal = Annotated[str, AfterValidator(_is_a_goal)]
"""This is where a rollback goes to: `previous`, a revision, a run, or a snapshot."""


class RollbackOptions(Model):
    """Defines what a rollback may do. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "config_maps secrets timeout stable_for override_owner respect_cluster_lock": CHOICE,
    }

    config_maps: bool = Field(
        default=True, description="also bring back the ConfigMaps that the pods used then, if a snapshot has them"
    )
    secrets: bool = Field(
        default=True,
        description="also bring back the Secrets that the pods used then, if backup.identity of the profile can decrypt them",
    )
    timeout: Duration = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="longest duration of the rollback of one workload"
    )
    stable_for: Duration = Field(
        default=timedelta(seconds=10), ge=timedelta(0), description="how long all pods must stay available"
    )
    override_owner: bool = Field(
        default=False, description="also roll back what Argo CD, Flux, Helm or an operator owns; it may change it again"
    )
    respect_cluster_lock: bool = Field(
        default=False, description="refuse while a run holds the lock of the cluster, for example an upgrade"
    )

    @property
    def kinds(self) -> frozenset[str]:
        """Returns the kinds of objects that go back with the template."""
        chosen = {CONFIG_MAP: self.config_maps, SECRET: self.secrets}
        return frozenset(kind for kind, goes_back in chosen.items() if goes_back)


class RollbackRequest(Requested):
    """Holds what is rolled back, where to, and by which run."""

    namespace: str
    workloads: tuple[str, ...]
    to: str = PREVIOUS

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Names the workloads in the order in which they go back: the last one first."""
        return tuple(Ref.of(self.namespace, one) for one in reversed(self.workloads))


def digest_of_goal(to: str) -> str:
    """Identifies what was asked for, so that a run finds its own work again.

    It is not made of what was found: after a rollback, `previous` is another revision, and revisions have other numbers.
    """
    return hashlib.sha256(f"rollback {to}".encode()).hexdigest()[:16]


class Kept(Model):
    """Names a snapshot in the bucket, with what decides whether it is the one that is wanted."""

    key: str
    name: str
    run: str
    proven: bool


class Aim(NamedTuple):
    """This is where one workload goes back to, with the template itself."""

    words: str
    template: dict[str, Any]
    revision: str = ""
    snapshot: Snapshot | None = None
    key: str = ""
    """It is the key of the snapshot."""

    @property
    def digest(self) -> str:
        """Identifies where it goes back to."""
        kept = f"{self.snapshot.run_id} {self.snapshot.taken_at}" if self.snapshot else ""
        return hashlib.sha256(f"{self.revision} {kept}".encode()).hexdigest()[:16]


class ConfigChange(Model):
    """Says what is different in a ConfigMap or a Secret. It has no value."""

    kind: str = CONFIG_MAP
    name: str
    fields: tuple[str, ...] = Field(description="entries that are different; empty if it does not exist now")
    exists: bool = True
    immutable: bool = False
    used_by: tuple[str, ...] = Field(default=(), description="other workloads that use it")

    @property
    def label(self) -> str:
        """Returns `Secret tls`."""
        return f"{self.kind} {self.name}"


class BackTarget(Model):
    """Holds what is known about one workload before it goes back."""

    target: Target
    words: str = Field(default="", description="where it goes back to")
    goal: str = Field(default="", description="digest of what was asked for")
    digest: str = Field(default="", description="of what was found for it")
    refusal: str = Field(default="", description="why there is nothing to go back to")
    next_step: str = ""
    diff: tuple[str, ...] = Field(default=(), description="what is different in its template; secrets are masked")
    config: tuple[ConfigChange, ...] = ()
    config_lacks: tuple[Right, ...] = Field(default=(), description="rights that are missing to bring them back")
    has_snapshot: bool = Field(default=False, description="a snapshot shows its ConfigMaps of then, or it uses none")
    secrets: tuple[str, ...] = Field(
        default=(), description="Secrets that its pods used then, and that stay as they are"
    )
    secrets_stay: str = Field(default="", description="why they stay as they are")
    secrets_step: str = Field(default="", description="what brings them back")

    def goes_back(self, options: RollbackOptions) -> tuple[ConfigChange, ...]:
        """Returns the ConfigMaps and Secrets that go back."""
        return tuple(one for one in self.config if one.kind in options.kinds)


class RollbackFacts(Model):
    """Holds what is known about all workloads of a rollback, in the order in which they go back."""

    observed_at: UtcTime
    run_id: str
    targets: tuple[BackTarget, ...]


class RolledBack(Model):
    """Holds what the rollback of one workload did."""

    workload: str
    to: str
    changed: bool = Field(description="this attempt changed it; an earlier one had done so otherwise")
    revision: str = ""
    images: dict[str, str] = Field(default={})
    config: tuple[str, ...] = Field(default=(), description="ConfigMaps and Secrets that went back")
    unstuck: tuple[str, ...] = ()
    snapshot: str = Field(default="", description="key of the snapshot from before the rollback")
    took: timedelta = timedelta()
    gates: tuple[str, ...] = Field(default=(), description="gates that were asked after that")
    closed: tuple[str, ...] = Field(default=(), description="what those of them say that are not open")
