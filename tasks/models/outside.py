"""Answers of other programs, in their own words: what is asked of Kubernetes' objects and of Prometheus, and no more.

Go writes an empty slice, map or struct as `null`, and leaves out what is empty: all three read the same here. What does not
fit is a sentence that names the object and the field, never an exception of Python.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tasks.errors import NotYet
from tasks.models.base import UtcTime

SHOWN = 3
"""Fields that a sentence names."""


class Outside(BaseModel):
    """An answer of another program; fields that nobody here asks for are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, value: object) -> object:
        return {name: one for name, one in value.items() if one is not None} if isinstance(value, Mapping) else value

    @classmethod
    def read(cls, told: object, what: str) -> Self:
        """Parses it; `NotYet` with what it is and which of its fields are not understood."""
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'all of it'}: {one['msg']}" for one in error.errors()]
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise NotYet(
                f"{what} is not understood: {'; '.join(wrong[:SHOWN])}{more}",
                hint="check what answers there: another program, a proxy, or a version that is not supported",
            ) from None


def name_of(kind: str, told: object) -> str:
    """A Kubernetes object for people, `pod kube-system/etcd-cp1`, also where it has no name."""
    metadata = told.get("metadata") if isinstance(told, Mapping) else None
    found = metadata if isinstance(metadata, Mapping) else {}
    named = "/".join(str(found[part]) for part in ("namespace", "name") if found.get(part))
    return f"{kind} {named or '(without a name)'}"


class Metadata(Outside):
    """Of any object."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    generation: int = 0
    deletion_timestamp: str = ""


class Condition(Outside):
    """Of any object's status."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_heartbeat_time: UtcTime | None = None


class Taint(Outside):
    """Of a node."""

    key: str
    value: str = ""
    effect: str = ""


class NodeSpec(Outside):
    """What somebody wants of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeAddress(Outside):
    """One of a node's."""

    address: str


class NodeInfo(Outside):
    """What the kubelet says of its machine."""

    kubelet_version: str = ""
    container_runtime_version: str = ""
    boot_id: str = Field(default="", alias="bootID")


class NodeStatus(Outside):
    """What a node's kubelet reports."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()


class Node(Outside):
    """v1 Node."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(Outside):
    """Of a node's lease."""

    renew_time: UtcTime | None = None


class Lease(Outside):
    """coordination.k8s.io/v1 Lease, as kubelets renew it."""

    metadata: Metadata
    spec: LeaseSpec = LeaseSpec()


class Container(Outside):
    """Of a pod's template."""

    image: str = ""


class PodSpec(Outside):
    """Of a pod's template."""

    containers: tuple[Container, ...] = ()


class Template(Outside):
    """Of a controller's pods."""

    spec: PodSpec = PodSpec()


class RollingUpdate(Outside):
    """How a controller replaces its pods."""

    partition: int = 0


class Strategy(Outside):
    """How a controller replaces its pods."""

    type: str = ""
    rolling_update: RollingUpdate = RollingUpdate()


class ControllerSpec(Outside):
    """What somebody wants of a controller."""

    replicas: int = 1
    paused: bool = False
    template: Template = Template()
    update_strategy: Strategy = Strategy()


class ControllerStatus(Outside):
    """How far a controller is; each kind has its own figures."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    available_replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0


class Controller(Outside):
    """apps/v1 Deployment, StatefulSet or DaemonSet."""

    metadata: Metadata
    spec: ControllerSpec = ControllerSpec()
    status: ControllerStatus = ControllerStatus()


class Conditions(Outside):
    """A status of which only the conditions matter."""

    conditions: tuple[Condition, ...] = ()


class WithConditions(Outside):
    """Any object that has conditions; one that no controller has looked at yet has none."""

    status: Conditions = Conditions()


class ApiService(Outside):
    """apiregistration.k8s.io/v1 APIService."""

    metadata: Metadata
    status: Conditions = Conditions()


class ServiceReference(Outside):
    """Of a webhook."""

    namespace: str
    name: str


class ClientConfig(Outside):
    """Whom a webhook calls."""

    service: ServiceReference | None = None
    url: str = ""


class Hook(Outside):
    """One webhook of a configuration."""

    name: str
    failure_policy: str = "Fail"
    client_config: ClientConfig = ClientConfig()


class WebhookConfiguration(Outside):
    """admissionregistration.k8s.io/v1, validating or mutating."""

    webhooks: tuple[Hook, ...] = ()


class EndpointConditions(Outside):
    """An endpoint that does not say is ready."""

    ready: bool = True


class Endpoint(Outside):
    """Of a slice."""

    node_name: str = ""
    conditions: EndpointConditions = EndpointConditions()


class SliceMetadata(Outside):
    """Of a slice; its own name does not matter."""

    namespace: str
    labels: dict[str, str] = Field(default={})


class EndpointSlice(Outside):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: SliceMetadata
    endpoints: tuple[Endpoint, ...] = ()


class Waiting(Outside):
    """Why a container does not run."""

    reason: str = "waiting"


class ContainerState(Outside):
    """One of waiting, running and terminated; only the first matters."""

    waiting: Waiting | None = None


class ContainerStatus(Outside):
    """Of a pod's container."""

    state: ContainerState = ContainerState()


class PodStatus(Outside):
    """How far a pod is."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodProgress(Outside):
    """v1 Pod, by its status alone."""

    metadata: Metadata
    status: PodStatus = PodStatus()


class ConfigMap(Outside):
    """v1 ConfigMap."""

    data: dict[str, str] = Field(default={})


class ListMetadata(Outside):
    """Of a page of a list."""

    following: str = Field(default="", alias="continue")


class ListPage(Outside):
    """A page of a list of objects."""

    metadata: ListMetadata = ListMetadata()
    items: tuple[dict[str, Any], ...] = ()


class Sample(Outside):
    """A value with its labels; Prometheus writes values as text, NaN and +Inf among them."""

    metric: dict[str, str] = Field(default={})
    value: tuple[float, float]


class Vector(Outside):
    """One value for each series."""

    result_type: Literal["vector"]
    result: tuple[Sample, ...] = ()


class Scalar(Outside):
    """One value."""

    result_type: Literal["scalar"]
    result: tuple[float, float]


class QueryKind(Outside):
    """Of what kind the result of a query is: vector, scalar, matrix or string."""

    result_type: str


class QueryAnswer(Outside):
    """What Prometheus says to a query."""

    status: str
    error: str = ""
    data: dict[str, Any] = Field(default={})
