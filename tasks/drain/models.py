"""A drain: its rules, what it will do to each pod of a node, and what came of it."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime

CORDONED_BY = "kube-runbooks.io/cordoned-by"
"""The run whose cordon it is. A cordon without it is somebody else's."""

REASON = "kube-runbooks.io/cordon-reason"
FAILED = "kube-runbooks.io/failed"
"""Why a node was left cordoned."""

TICKET = "kube-runbooks.io/ticket"
"""Of the person or the incident that wanted a node out of service."""


UNHEALTHY = "kube-runbooks.io/unhealthy-before"
"""What the proof of a node found wrong before a run began with it (JSON, as `Symptom.of`): whoever goes on reads it there."""

REBOOTED = "kube-runbooks.io/rebooted"
"""When a person or an incident had a node rebooted last, and why."""


class DrainOptions(Model):
    """As kubectl drain has them, with a limit for everything."""

    COVERED: ClassVar[Reasons] = {
        "delete_emptydir_data force grace_period limit detach_limit skip_deleting_after allow_pending": CHOICE
    }

    delete_emptydir_data: bool = Field(
        default=False, description="evict pods with emptyDir volumes, whose content is lost"
    )
    force: bool = Field(default=False, description="evict pods that no controller brings back")
    grace_period: Duration | None = Field(default=None, description="for each pod; empty for the pod's own")
    limit: Duration = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="for the whole node, for example 15m"
    )
    detach_limit: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="how long the volumes of evicted pods may take to detach; then the drain reports them and continues",
    )
    skip_deleting_after: Duration | None = Field(
        default=None,
        description="do not wait for pods that should have stopped so long ago and have not, for example 10m",
    )
    allow_pending: bool = Field(
        default=False, description="evict pods that can run on no other node: they are away until this one is back"
    )


class Treatment(StrEnum):
    """What a drain does to a pod."""

    EVICT = "evict"
    """It goes, and its controller makes another one elsewhere."""
    EVICT_FOR_GOOD = "evict for good"
    """It goes, with data or without successor, because an option says so."""
    LEAVE = "leave"
    """It stays: its DaemonSet or the kubelet would bring it back at once."""
    BLOCKED = "blocked"
    """It would never go: the drain would not end."""


class Verdict(Model):
    """What a drain does to one pod, and why."""

    pod: str = Field(description="namespace/name")
    uid: str
    treatment: Treatment
    reason: str = ""
    next_step: str = Field(default="", description="for a pod that is blocked")
    owner: str = Field(
        default="", description="what makes it again, as namespace/name-*, else its own name; empty for a Job's pod"
    )
    loss: str = Field(default="", description="what goes for good with it, in words that do not change by the minute")
    comes_again: bool = Field(
        default=False, description="it tolerates a cordon: the scheduler may put its successor on the same node"
    )

    @property
    def stays_on_cordoned(self) -> bool:
        """Evicted once, it may be here again right after a drain, as often as it is evicted: it is let be."""
        return self.treatment is Treatment.LEAVE or self.comes_again


class DrainForecast(Model):
    """All pods of a node, before the first cordon."""

    node: str
    verdicts: tuple[Verdict, ...] = ()
    waits: tuple[str, ...] = Field(default=(), description="budgets that allow nothing now and may later, with figures")
    cautions: tuple[str, ...] = Field(default=(), description="what may take long or hurt")

    @property
    def evicted(self) -> tuple[str, ...]:
        """Pods that go."""
        return tuple(v.pod for v in self.verdicts if v.treatment in {Treatment.EVICT, Treatment.EVICT_FOR_GOOD})

    @property
    def blocked(self) -> tuple[Verdict, ...]:
        """Pods for which the drain would never end."""
        return tuple(v for v in self.verdicts if v.treatment is Treatment.BLOCKED)

    @property
    def in_the_way(self) -> tuple[str, ...]:
        """Pods that must not be on a node that was drained."""
        return tuple(v.pod for v in self.verdicts if not v.stays_on_cordoned)


class Waiting(Model):
    """What a drain waits for."""

    what: str = Field(description="namespace/name of a pod, or a volume, or the API server")
    why: str
    since: UtcTime


class DrainProgress(Model):
    """A drain under way."""

    node: str
    gone: int = Field(description="pods that are gone")
    of: int = Field(description="pods that have to go")
    waiting: tuple[Waiting, ...] = ()
    until: UtcTime = Field(description="when its limit is reached")


class Drained(Model):
    """What came of a drain."""

    node: str
    cordoned_before: bool = Field(description="somebody had cordoned it before the run: it stays cordoned")
    evicted: tuple[str, ...] = ()
    left: tuple[str, ...] = Field(default=(), description="pods that stay, with the reason")
    waited_for: tuple[str, ...] = Field(default=(), description="budgets that were waited for, with their figures")
    still_attached: tuple[str, ...] = Field(
        default=(), description="volumes of evicted pods that were not detached within their limit"
    )
    took: timedelta = timedelta()

    def after(self, first: "Drained") -> "Drained":
        """What both did, where a node was drained again."""
        return self.model_copy(
            update={
                "cordoned_before": first.cordoned_before,
                "evicted": (*first.evicted, *self.evicted),
                "waited_for": (*first.waited_for, *self.waited_for),
                "took": first.took + self.took,
            }
        )
