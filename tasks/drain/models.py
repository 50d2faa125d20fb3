"""Defines the values of a drain: its rules, what it will do to each pod of a node, and its result."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime

CORDONED_BY = "kube-runbooks.io/cordoned-by"
"""Names the annotation that holds the run that owns the cordon. A cordon without it belongs to somebody else."""

REASON = "kube-runbooks.io/cordon-reason"
FAILED = "kube-runbooks.io/failed"
"""Names the annotation that holds why a node was left cordoned."""

TICKET = "kube-runbooks.io/ticket"
"""Names the annotation that holds the ticket of the person or the incident that wants the node out of service."""


UNHEALTHY = "kube-runbooks.io/unhealthy-before"
"""Names the annotation that holds what the proof of a node found wrong before a run began with it.

It is JSON, with values of `Symptom.of`. A run that resumes the work reads it there.
"""

REBOOTED = "kube-runbooks.io/rebooted"
"""Names the annotation that holds when and why a node was last rebooted for a person or an incident."""


class DrainOptions(Model):
    """Holds the options of kubectl drain, with a timeout for everything."""

    COVERED: ClassVar[Reasons] = {
        "delete_emptydir_data force grace_period timeout detach_timeout skip_wait_for_delete_timeout allow_pending": CHOICE
    }

    delete_emptydir_data: bool = Field(
        default=False, description="evict pods with emptyDir volumes; their data is lost"
    )
    force: bool = Field(default=False, description="evict pods that no controller recreates")
    grace_period: Duration | None = Field(default=None, description="grace period of each pod; if empty, the pod's own")
    timeout: Duration = Field(
        default=timedelta(minutes=15),
        gt=timedelta(0),
        description="longest duration of the drain of one node, for example 15m",
    )
    detach_timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="how long volumes of evicted pods may take to detach; after that the drain reports them and continues",
    )
    skip_wait_for_delete_timeout: Duration | None = Field(
        default=None,
        description="do not wait for pods whose deletion is overdue by this time, for example 10m",
    )
    allow_pending: bool = Field(
        default=False, description="evict pods that can run on no other node; they stay pending until this node is back"
    )


class Treatment(StrEnum):
    """Defines what a drain does to a pod."""

    EVICT = "evict"
    """It means that the pod goes, and that its controller creates another one elsewhere."""
    EVICT_FOR_GOOD = "evict for good"
    """It means that the pod goes with its data, or without a successor, because an option allows it."""
    LEAVE = "leave"
    """It means that the pod stays: its DaemonSet or the kubelet would recreate it at once."""
    BLOCKED = "blocked"
    """It means that the pod would never go, so the drain would never finish."""


class Verdict(Model):
    """Describes what a drain does to one pod, and why."""

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
        """True if the pod may be on the node again right after a drain, so the drain leaves it there.

        Such a pod returns as often as it is evicted.
        """
        return self.treatment is Treatment.LEAVE or self.comes_again


class DrainForecast(Model):
    """Holds the verdicts for all pods of a node, before the first cordon."""

    node: str
    verdicts: tuple[Verdict, ...] = ()
    waits: tuple[str, ...] = Field(
        default=(), description="PodDisruptionBudgets that allow no disruption now and may later, with figures"
    )
    asks: tuple[str, ...] = Field(
        default=(),
        description="PodDisruptionBudgets that allow no disruption until their operator reacts to the eviction, with figures",
    )
    cautions: tuple[str, ...] = Field(default=(), description="what may take long or hurt")

    @property
    def evicted(self) -> tuple[str, ...]:
        """Lists the pods that go."""
        return tuple(v.pod for v in self.verdicts if v.treatment in {Treatment.EVICT, Treatment.EVICT_FOR_GOOD})

    @property
    def blocked(self) -> tuple[Verdict, ...]:
        """Lists the pods for which the drain would never finish."""
        return tuple(v for v in self.verdicts if v.treatment is Treatment.BLOCKED)

    @property
    def in_the_way(self) -> tuple[str, ...]:
        """Lists the pods that must not be on a drained node."""
        return tuple(v.pod for v in self.verdicts if not v.stays_on_cordoned)


class Waiting(Model):
    """Describes one thing that a drain waits for."""

    what: str = Field(description="namespace/name of a pod, or a volume, or the API server")
    why: str
    since: UtcTime


class DrainProgress(Model):
    """Describes a drain in progress."""

    node: str
    gone: int = Field(description="pods that are gone")
    of: int = Field(description="pods that have to go")
    waiting: tuple[Waiting, ...] = ()
    until: UtcTime = Field(description="when its limit is reached")


class Drained(Model):
    """Describes the result of a drain."""

    node: str
    cordoned_before: bool = Field(description="somebody had cordoned it before the run: it stays cordoned")
    evicted: tuple[str, ...] = ()
    left: tuple[str, ...] = Field(default=(), description="pods that stay, with the reason")
    waited_for: tuple[str, ...] = Field(
        default=(), description="PodDisruptionBudgets that the drain waited for, with figures"
    )
    still_attached: tuple[str, ...] = Field(
        default=(), description="volumes of evicted pods that were not detached within their limit"
    )
    took: timedelta = timedelta()

    def after(self, first: "Drained") -> "Drained":
        """Returns the combined result of both drains if a node was drained again."""
        return self.model_copy(
            update={
                "cordoned_before": first.cordoned_before,
                "evicted": (*first.evicted, *self.evicted),
                "waited_for": (*first.waited_for, *self.waited_for),
                "took": first.took + self.took,
            }
        )
