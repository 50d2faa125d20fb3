"""Describes a workload at one moment: its counts, its pods, and what keeps it from being finished."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.workloads.models.names import Ref


class Happened(Model):
    """Describes an event."""

    uid: str = Field(description="of the event, with its count: another value is news")
    about: str = Field(description="uid of the object that it is about")
    container: str = ""
    reason: str
    message: str
    at: UtcTime | None = None


class ContainerState(Model):
    """Describes a container of a pod."""

    name: str
    init: bool = False
    image: str = ""
    ready: bool = False
    restarts: int = 0
    waiting: str = Field(default="", description="the kubelet's reason, if it waits")
    message: str = ""
    running: bool = False
    exit_code: int | None = Field(default=None, description="of its last end")
    exit_reason: str = ""
    has_ended: bool = Field(default=False, description="it terminated and does not run now")


class PodState(Model):
    """Describes a pod of a workload."""

    name: str
    uid: str
    revision: str = Field(default="", description="hash of its template")
    phase: str = ""
    reason: str = ""
    message: str = ""
    created: UtcTime | None = None
    ready: bool = False
    leaving: bool = Field(default=False, description="it was asked to stop")
    unscheduled: str = Field(default="", description="why no node takes it, in the scheduler's words")
    disrupted: str = Field(default="", description="why it was disrupted, if its node was the reason")
    unready: str = Field(default="", description="the message of its condition Ready, if that is False")
    containers: tuple[ContainerState, ...] = ()
    events: tuple[Happened, ...] = ()

    @property
    def is_finished(self) -> bool:
        """True if the pod has ended for good."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def restarts(self) -> int:
        """Counts the restarts of all its containers."""
        return sum(one.restarts for one in self.containers)


class Workload(Model):
    """Describes a Deployment, a StatefulSet or a DaemonSet, and its pods."""

    ref: Ref
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    observed: int = Field(default=0, description="generation that its controller has seen")
    replicas: int = Field(default=1, description="pods that there have to be")
    existing: int = Field(default=0, description="status.replicas")
    updated: int = 0
    ready: int = 0
    available: int = 0
    paused: bool = False
    strategy: str = Field(default="RollingUpdate", description="RollingUpdate, Recreate or OnDelete")
    max_surge: str = ""
    max_unavailable: str = ""
    partition: int = 0
    in_order: bool = Field(default=False, description="a StatefulSet that waits for each pod before the next one")
    deadline: timedelta = timedelta(seconds=600)
    deadline_exceeded: str = Field(default="", description="the controller's words, if it gave up")
    not_created: str = Field(default="", description="why no pod is created, in the API's words")
    current_revision: str = ""
    update_revision: str = ""
    revision: str = Field(default="", description="name of the ReplicaSet or ControllerRevision of its newest template")
    revision_hash: str = Field(default="", description="label of the pods of that revision")
    deleting: bool = False
    pods: tuple[PodState, ...] = ()

    @property
    def new_pods(self) -> tuple[PodState, ...]:
        """Returns the pods of the newest template that have not ended and are not stopping."""
        return tuple(one for one in self.pods if self._is_new(one) and not one.leaving and not one.is_finished)

    @property
    def old_pods(self) -> tuple[PodState, ...]:
        """Returns the pods of other templates, also those that are stopping."""
        return tuple(one for one in self.pods if not self._is_new(one) and not one.is_finished)

    @property
    def pods_leave(self) -> bool:
        """True if a pod of it is stopping: what that pod holds will be free."""
        return any(one.leaving for one in self.pods)

    def _is_new(self, pod: PodState) -> bool:
        return bool(self.revision_hash) and pod.revision == self.revision_hash


class Cause(StrEnum):
    """Lists the causes that keep a workload from being finished."""

    CRASH = "crash loop"
    CRASHED_ONCE = "crashed once"
    IMAGE_NEVER = "image cannot be pulled"
    IMAGE_MISSING = "image not found"
    IMAGE_PULL = "image pull fails"
    CONFIG = "configuration missing"
    CREATE = "container cannot start"
    UNSCHEDULABLE = "unschedulable"
    SCALING = "waits for a new node"
    QUOTA = "quota exceeded"
    DENIED = "pods are denied"
    WEBHOOK = "admission webhook fails"
    VOLUME_MISSING = "volume's source missing"
    VOLUME = "volume cannot be mounted"
    NOT_READY = "not ready"
    NODE = "node's fault"
    DEADLINE = "deadline exceeded"


class Trouble(Model):
    """Describes one cause in one pod, or in the workload itself."""

    cause: Cause
    pod: str = Field(default="", description="empty if it is about the workload itself")
    container: str = ""
    problem: str
    next_step: str = ""
    exit_code: int | None = None
    runs_again: bool = Field(default=False, description="the container that ended was started again")
    since: UtcTime | None = Field(default=None, description="not later than this")
    log: tuple[str, ...] = Field(default=(), description="the last lines of its log, masked; only if asked for")

    @property
    def where(self) -> str:
        """Names the pod and the container, as `pod web-1, container main`."""
        container = f", container {self.container}" if self.container else ""
        return f"pod {self.pod}{container}" if self.pod else "the workload"

    @property
    def sentence(self) -> str:
        """Returns the place and the problem."""
        return f"{self.where}: {self.problem}" if self.pod else self.problem


class Standing(Model):
    """Says how far a rollout is."""

    done: bool = False
    failed: bool = Field(default=False, description="it will not finish by itself")
    kubectl: str = Field(default="", description="what `kubectl rollout status` says, without the name of the kind")
    problem: str = Field(default="", description="what is missing; empty if it is done")


class WorkloadStatus(Model):
    """Holds the answer for one workload."""

    workload: str
    standing: Standing
    replicas: int
    updated: int
    available: int
    revision: str = ""
    troubles: tuple[Trouble, ...] = ()


class StatusFound(Model):
    """Holds the answers for all workloads that were asked for."""

    observed_at: UtcTime
    namespace: str
    workloads: tuple[WorkloadStatus, ...] = ()
    absent: tuple[str, ...] = Field(default=(), description="asked for, and not there")
    has_namespace: bool = True
