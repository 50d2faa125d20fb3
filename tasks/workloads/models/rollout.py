"""Holds what a rollout observes, leaves behind and reports."""

from datetime import timedelta

from pydantic import Field

from tasks.check.models import Right
from tasks.core.models.base import Model, UtcTime
from tasks.workloads.models.images import ImageAnswer
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.room import Room

ROLLOUT = "kube-runbooks.io/rollout"
"""Names the annotation with the `Mark` of the rollout that changed a workload last."""


class Mark(Model):
    """Says in an annotation which run changed a workload, and whether it has finished with it."""

    run: str
    change: str = Field(description="digest of the change")
    template: str = Field(default="", description="digest of the template after the change")
    snapshot: str = Field(default="", description="key of the snapshot from before the change")
    state: str = Field(
        default="open",
        description="begun: a rollback has not written the template yet; open: it is written, and not proven; done; undone",
    )
    began: UtcTime | None = None
    why: str = Field(default="", description="why it was put back")

    def is_written(self, change: str, template: str) -> bool:
        """Checks whether a run has written this change and not proven it, and nobody has changed the template since.

        Old marks come back: `kubectl rollout undo` brings the annotations of the old ReplicaSet back, too.
        """
        return (self.state, self.change, self.template) == ("open", change, template)

    def is_proven(self, change: str, template: str) -> bool:
        """Checks whether a run has proven this change, and nobody has changed the template since."""
        return (self.state, self.change, self.template) == ("done", change, template)


class Target(Model):
    """Holds what is known about one workload before it is changed. It has no value of a variable in it."""

    ref: Ref
    exists: bool = True
    has_namespace: bool = True
    lacks: tuple[Right, ...] = Field(default=(), description="rights that the run needs and does not have")
    uid: str = ""
    deleting: bool = False
    template: str = Field(default="", description="digest of its template now")
    containers: tuple[str, ...] = ()
    paused: bool = False
    strategy: str = "RollingUpdate"
    partition: int = 0
    in_order: bool = False
    replicas: int = 1
    max_surge: str = ""
    max_unavailable: str = ""
    problem: str = Field(default="", description="what is missing now, before the change")
    scaler: str = Field(default="", description="name of the HorizontalPodAutoscaler that sets its replicas")
    owner: str = Field(default="", description="who owns it")
    owner_way: str = Field(default="", description="how this owner wants it to be changed")
    budgets: tuple[str, ...] = Field(default=(), description="figures of its PodDisruptionBudgets")
    secrets: tuple[str, ...] = Field(default=(), description="names of Secrets that its pods use")
    mark: Mark | None = None
    diff: tuple[str, ...] = Field(default=(), description="what the change changes in its template, by a dry run")
    denied: str = Field(default="", description="why the API refuses the change, by a dry run")
    pod_denied: str = Field(default="", description="why the API refuses a pod of the new template, by a dry run")
    room: Room | None = Field(default=None, description="the room for its pods; None if the change needs none")
    pod_unknown: str = Field(default="", description="why a pod of the new template could not be tried")

    @property
    def is_ordered(self) -> bool:
        """True for a StatefulSet whose broken pods have to be deleted before it goes back."""
        return self.ref.kind is Kind.STATEFUL_SET and self.in_order


class RolloutFacts(Model):
    """Holds what is known about all workloads of a rollout."""

    observed_at: UtcTime
    run_id: str
    targets: tuple[Target, ...]
    keeps_secrets: bool = Field(default=False, description="the profile has recipients")
    gates: tuple[str, ...] = Field(default=(), description="names of the profile's gates that hold for it")
    closed: tuple[str, ...] = Field(default=(), description="what those of them say that are not open")
    images: tuple[ImageAnswer, ...] = Field(default=(), description="what registries say about the new images")

    def of(self, ref: Ref) -> Target:
        """Returns the workload with this name."""
        return next(one for one in self.targets if one.ref == ref)


class Rolled(Model):
    """Holds what a rollout of one workload did."""

    workload: str
    changed: bool = Field(description="this attempt changed it; an earlier one had done so otherwise")
    revision: str = ""
    revision_before: str = ""
    snapshot: str = Field(default="", description="key of the snapshot from before the change")
    left_out: tuple[str, ...] = Field(default=(), description="Secrets that the snapshot does not have")
    pods: int = 0
    kept: str = Field(default="", description="key of the snapshot after the proof")


class GroupRolled(Model):
    """Holds what a rollout of one group did."""

    group: int
    workloads: tuple[Rolled, ...]
    took: timedelta
    gates: tuple[str, ...] = Field(default=(), description="gates that stayed open through the bake time")
    baked: timedelta = timedelta()


class PutBack(Model):
    """Holds how one workload was put back."""

    workload: str
    revision: str = ""
    images: dict[str, str] = Field(default={})
    unstuck: tuple[str, ...] = Field(default=(), description="pods that were deleted because they blocked the others")
    config_maps: tuple[str, ...] = Field(default=(), description="ConfigMaps that have their content of then again")
    cautions: tuple[str, ...] = ()
    was_so: bool = Field(default=False, description="nothing had to be changed")


class GroupPutBack(Model):
    """Holds how workloads were put back, in this order."""

    workloads: tuple[PutBack, ...]
    gates: tuple[str, ...] = Field(default=(), description="gates that were asked after that")
    closed: tuple[str, ...] = Field(default=(), description="what those of them say that are not open")


class Snapshot(Model):
    """Is what the bucket keeps of a workload before and after a rollout."""

    format: int = 1
    taken_at: UtcTime
    run_id: str
    proven: bool = Field(description="it is the state after a rollout that was proven")
    namespace: str
    workload: str
    uid: str
    resource_version: str
    revision: str = ""
    body: dict[str, object] = Field(description="the object, without its status")
    scaler: dict[str, object] = Field(default={})
    config_maps: dict[str, dict[str, object]] = Field(default={}, description="by name; an empty one did not exist")
    secrets: tuple[str, ...] = Field(default=(), description="names of Secrets that its pods use")
    sealed: bool = Field(default=False, description="the Secrets are beside it, encrypted")
