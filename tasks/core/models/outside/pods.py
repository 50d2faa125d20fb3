"""Pods: what they are given, and how far they are."""

from typing import Any

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.nodes import NodeSelector
from tasks.core.models.outside.objects import Condition, Metadata, PlacedMetadata


class Owner(Outside):
    """Of a pod."""

    kind: str
    api_version: str
    name: str
    controller: bool = False


class PodMetadata(PlacedMetadata):
    """Of a pod."""

    uid: str
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Owner, ...] = ()


class NodeAffinity(Outside):
    """Of a pod; what it would only like does not matter."""

    required: NodeSelector | None = Field(default=None, alias="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(Outside):
    """Of a pod."""

    node_affinity: NodeAffinity = NodeAffinity()


class Toleration(Outside):
    """Of a pod."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class Reference(Outside):
    """Of a ConfigMap."""

    name: str = ""


class ProjectedSource(Outside):
    """Of a projected volume."""

    config_map: Reference = Reference()


class Projected(Outside):
    """A projected volume."""

    sources: tuple[ProjectedSource, ...] = ()


class ClaimName(Outside):
    """Of a pod's volume."""

    claim_name: str


class PodVolume(Outside):
    """Of a pod."""

    name: str
    empty_dir: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None
    persistent_volume_claim: ClaimName | None = None
    projected: Projected = Projected()


class Container(Outside):
    """Of a pod."""

    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class PodSpec(Outside):
    """Of a pod, or of a template of pods."""

    containers: tuple[Container, ...] = ()
    node_name: str = ""
    volumes: tuple[PodVolume, ...] = ()
    node_selector: dict[str, str] = Field(default={})
    affinity: Affinity = Affinity()
    tolerations: tuple[Toleration, ...] = ()
    termination_grace_period_seconds: int = 30


class Waiting(Outside):
    """Why a container does not run."""

    reason: str = "waiting"


class ContainerState(Outside):
    """One of waiting, running and terminated."""

    waiting: Waiting | None = None
    running: dict[str, Any] | None = None


class ContainerStatus(Outside):
    """Of a pod's container."""

    image: str = ""
    state: ContainerState = ContainerState()


class PodStatus(Outside):
    """How far a pod is."""

    phase: str = ""
    start_time: UtcTime | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodProgress(Outside):
    """v1 Pod, by its status alone."""

    metadata: Metadata
    status: PodStatus = PodStatus()


class GivenPod(PodProgress):
    """v1 Pod, with what it is given."""

    metadata: PlacedMetadata
    spec: PodSpec = PodSpec()


class Pod(GivenPod):
    """v1 Pod, as a drain has to know it."""

    metadata: PodMetadata
