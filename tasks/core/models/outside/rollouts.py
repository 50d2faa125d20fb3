"""Models the controllers of pods as a rollout needs them: their revisions, their progress, who wrote them."""

from typing import Any

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Metadata, Selector
from tasks.core.models.outside.pods import OwnedMetadata
from tasks.core.models.outside.workloads import ControllerSpec, ControllerStatus, RollingUpdate, Strategy


class Writer(Outside):
    """This is an entry of managedFields: a program that wrote some fields of the object, and when."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: UtcTime | None = None
    fields_v1: dict[str, Any] = Field(default={}, alias="fieldsV1", description="which fields")


class RolledMetadata(OwnedMetadata):
    """This is the metadata of a controller or of one of its revisions."""

    uid: str
    resource_version: str = ""
    creation_timestamp: UtcTime | None = None
    managed_fields: tuple[Writer, ...] = ()


class RolledUpdate(RollingUpdate):
    """This is the rolling update section, with its limits."""

    max_surge: int | str = ""
    max_unavailable: int | str = ""


class RolledStrategy(Strategy):
    """This is how a controller replaces its pods, with the limits of a rolling update."""

    rolling_update: RolledUpdate = RolledUpdate()


class RolledSpec(ControllerSpec):
    """This is the desired state of a controller, with all that decides about its rollout."""

    selector: Selector = Selector()
    strategy: RolledStrategy = RolledStrategy()
    update_strategy: RolledStrategy = RolledStrategy()
    pod_management_policy: str = ""
    progress_deadline_seconds: int = 600


class RolledStatus(ControllerStatus):
    """This is the progress of a rollout."""

    replicas: int = 0
    number_available: int = 0
    current_revision: str = ""
    update_revision: str = ""


class Rolled(Outside):
    """This is an apps/v1 Deployment, StatefulSet or DaemonSet."""

    metadata: RolledMetadata
    spec: RolledSpec = RolledSpec()
    status: RolledStatus = RolledStatus()


class Marked(Outside):
    """This is any object with the marks of those who own it and write it."""

    metadata: RolledMetadata


class RawTemplateSpec(Outside):
    """This is the desired state of a ReplicaSet, with its template as the API has it."""

    replicas: int = 1
    template: dict[str, Any] = Field(default={})


class ReplicaSet(Outside):
    """This is an apps/v1 ReplicaSet."""

    metadata: RolledMetadata
    spec: RawTemplateSpec = RawTemplateSpec()


class RevisionData(Outside):
    """This is the content of a ControllerRevision: a patch that restores the template."""

    spec: RawTemplateSpec = RawTemplateSpec()


class ControllerRevision(Outside):
    """This is an apps/v1 ControllerRevision."""

    metadata: RolledMetadata
    revision: int = 0
    data: RevisionData = RevisionData()


class InvolvedObject(Outside):
    """This is the object that an event is about."""

    uid: str = ""
    field_path: str = ""


class EventSeries(Outside):
    """This counts a repeated event."""

    count: int = 0
    last_observed_time: UtcTime | None = None


class Event(Outside):
    """This is a v1 Event."""

    metadata: Metadata
    involved_object: InvolvedObject = InvolvedObject()
    reason: str = ""
    message: str = ""
    count: int = 1
    last_timestamp: UtcTime | None = None
    event_time: UtcTime | None = None
    series: EventSeries = EventSeries()


class NamedPart(Outside):
    """This is a part of a template of which only the name is read: a reference, or a container of a status."""

    name: str = ""


class VariableSource(Outside):
    """This is where the value of a variable comes from."""

    config_map_key_ref: NamedPart = NamedPart()
    secret_key_ref: NamedPart = NamedPart()


class Variable(Outside):
    """This is a variable of a container."""

    name: str = ""
    value_from: VariableSource = VariableSource()


class VariablesSource(Outside):
    """This is a source of all variables of a ConfigMap or a Secret."""

    config_map_ref: NamedPart = NamedPart()
    secret_ref: NamedPart = NamedPart()


class TemplateContainer(Outside):
    """This is a container of a template."""

    name: str
    image: str = ""
    env: tuple[Variable, ...] = ()
    env_from: tuple[VariablesSource, ...] = ()


class SecretVolume(Outside):
    """This is a volume with the content of a Secret."""

    secret_name: str = ""


class VolumeSource(Outside):
    """This is one source of a projected volume."""

    config_map: NamedPart = NamedPart()
    secret: NamedPart = NamedPart()


class ProjectedVolume(Outside):
    """This is a projected volume."""

    sources: tuple[VolumeSource, ...] = ()


class TemplateVolume(Outside):
    """This is a volume of a template."""

    name: str = ""
    config_map: NamedPart = NamedPart()
    secret: SecretVolume = SecretVolume()
    projected: ProjectedVolume = ProjectedVolume()


class RolledPodSpec(Outside):
    """This is the spec of a template, as far as a rollout reads it."""

    containers: tuple[TemplateContainer, ...] = ()
    init_containers: tuple[TemplateContainer, ...] = ()
    volumes: tuple[TemplateVolume, ...] = ()
    image_pull_secrets: tuple[NamedPart, ...] = ()


class TemplateNotes(Outside):
    """This is the metadata of a template."""

    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})


class RolledTemplate(Outside):
    """This is a pod template. It is kept as the API has it; this model says that it has the parts that are read."""

    metadata: TemplateNotes = TemplateNotes()
    spec: RolledPodSpec = RolledPodSpec()


class ClaimTemplate(Outside):
    """This is a claim that a StatefulSet makes for each pod."""

    metadata: NamedPart = NamedPart()


class TemplatedSpec(Outside):
    """This is the spec of a controller, with its template as the API has it."""

    template: dict[str, Any] = Field(default={})
    volume_claim_templates: tuple[ClaimTemplate, ...] = ()


class Templated(Outside):
    """This is any controller, of which the template is read."""

    metadata: NamedPart = NamedPart()
    spec: TemplatedSpec = TemplatedSpec()


class ScaleTarget(Outside):
    """This is what a HorizontalPodAutoscaler scales."""

    kind: str = ""
    name: str = ""


class ScalerSpec(Outside):
    """This is the spec of a HorizontalPodAutoscaler."""

    scale_target_ref: ScaleTarget = ScaleTarget()


class Scaler(Outside):
    """This is an autoscaling/v2 HorizontalPodAutoscaler."""

    metadata: NamedPart = NamedPart()
    spec: ScalerSpec = ScalerSpec()


class QuotaSpec(Outside):
    """This is the spec of a ResourceQuota: the pods that it counts."""

    scopes: tuple[str, ...] = ()
    scope_selector: dict[str, Any] = Field(default={})


class QuotaStatus(Outside):
    """This is the status of a ResourceQuota: its limits, and what is used of them, as quantities."""

    hard: dict[str, int | str] = Field(default={})
    used: dict[str, int | str] = Field(default={})


class ResourceQuota(Outside):
    """This is a v1 ResourceQuota."""

    metadata: Metadata
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()
