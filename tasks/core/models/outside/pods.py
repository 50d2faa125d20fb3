"""Models pods: their spec and their progress."""

from typing import Any

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.nodes import NodeSelector
from tasks.core.models.outside.objects import Condition, Metadata, PlacedMetadata


class Owner(Outside):
    """This is the owner of a pod."""

    kind: str
    api_version: str
    name: str
    uid: str = ""
    controller: bool = False


class OwnedMetadata(PlacedMetadata):
    """This is the metadata of an object that may belong to another object."""

    owner_references: tuple[Owner, ...] = ()


class OwnedObject(Outside):
    """This is any object that may belong to another object, of which only the metadata is read."""

    metadata: OwnedMetadata


class PodMetadata(OwnedMetadata):
    """This is the metadata of a pod."""

    uid: str
    finalizers: tuple[str, ...] = ()
    creation_timestamp: UtcTime | None = None


class NodeAffinity(Outside):
    """This is the node affinity of a pod; preferences are ignored."""

    required: NodeSelector | None = Field(default=None, alias="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(Outside):
    """This is the affinity of a pod."""

    node_affinity: NodeAffinity = NodeAffinity()


class Toleration(Outside):
    """This is a toleration of a pod."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class Reference(Outside):
    """This is a reference to a ConfigMap."""

    name: str = ""


class ProjectedSource(Outside):
    """This is one source of a projected volume."""

    config_map: Reference = Reference()


class Projected(Outside):
    """This is a projected volume."""

    sources: tuple[ProjectedSource, ...] = ()


class ClaimName(Outside):
    """This is the claim of a pod's volume."""

    claim_name: str


class PodVolume(Outside):
    """This is a volume of a pod."""

    name: str
    empty_dir: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None
    persistent_volume_claim: ClaimName | None = None
    projected: Projected = Projected()


class Resources(Outside):
    """This is what a container requests, and its limits, as quantities."""

    requests: dict[str, int | str] = Field(default={})
    limits: dict[str, int | str] = Field(default={})


class Container(Outside):
    """This is a container of a pod."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    resources: Resources = Resources()
    restart_policy: str = ""


class PodSpec(Outside):
    """This is the spec of a pod or of a pod template."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    volumes: tuple[PodVolume, ...] = ()
    node_selector: dict[str, str] = Field(default={})
    affinity: Affinity = Affinity()
    tolerations: tuple[Toleration, ...] = ()
    overhead: dict[str, int | str] = Field(default={})
    termination_grace_period_seconds: int = 30


class Waiting(Outside):
    """This is the reason why a container does not run."""

    reason: str = "waiting"
    message: str = ""


class Terminated(Outside):
    """This is how a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(Outside):
    """This is the state of a container: one of waiting, running and terminated."""

    waiting: Waiting | None = None
    running: dict[str, Any] | None = None
    terminated: Terminated | None = None


class ContainerStatus(Outside):
    """This is the status of a pod's container."""

    name: str = ""
    image: str = ""
    container_id: str = Field(default="", alias="containerID")
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(Outside):
    """This is the progress of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: UtcTime | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodProgress(Outside):
    """This is a v1 Pod with its status only."""

    metadata: Metadata
    status: PodStatus = PodStatus()


class GivenPod(PodProgress):
    """This is a v1 Pod with its spec."""

    metadata: PlacedMetadata
    spec: PodSpec = PodSpec()


class Pod(GivenPod):
    """This is a v1 Pod as a drain needs it."""

    metadata: PodMetadata
