"""Answers of other programs, in their own words: what is asked of Kubernetes' objects and of Prometheus, and no more.

Go writes an empty slice, map or struct as `null`, and leaves out what is empty: all three read the same here. What does not
fit is a sentence that names the object and the field, never an exception of Python.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from tasks.core.errors import NotYet
from tasks.core.models.base import UtcTime

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


def from_yaml(text: str | bytes, what: str) -> object:
    """A document; `NotYet` with what it is where it is no YAML."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise NotYet(f"{what} is not YAML: {said}", hint="correct it with kubectl edit") from None


class Kind(Outside):
    """Of any object."""

    kind: str


class Notes(Outside):
    """Metadata of which only the annotations matter."""

    annotations: dict[str, str] = Field(default={})


class Metadata(Outside):
    """Of any object."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    generation: int = 0
    deletion_timestamp: UtcTime | None = None


class Named(Outside):
    """Any object, of which only the name matters."""

    metadata: Metadata


class PlacedMetadata(Metadata):
    """Of an object in a namespace."""

    namespace: str


class Placed(Outside):
    """Any object in a namespace, of which only the name matters."""

    metadata: PlacedMetadata

    @property
    def id(self) -> str:
        """namespace/name."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class ReadMetadata(Metadata):
    """Of an object that is changed only if nobody has changed it since it was read."""

    resource_version: str


class Read(Outside):
    """An object that is going to be changed."""

    metadata: ReadMetadata


class Change(Outside):
    """Who has written something in an object, and when."""

    time: UtcTime | None = None


class WrittenMetadata(PlacedMetadata):
    """With when the object was written."""

    creation_timestamp: UtcTime
    managed_fields: tuple[Change, ...] = ()


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
    pod_cidrs: tuple[str, ...] = Field(default=(), alias="podCIDRs")


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


class HeldSpec(Outside):
    """Of a lease that one of several holds; its times are only compared with themselves."""

    holder_identity: str = ""
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0
    lease_duration_seconds: int = 0


class HeldLease(Outside):
    """coordination.k8s.io/v1 Lease, as leader election has it."""

    metadata: Notes = Notes()
    spec: HeldSpec = HeldSpec()


class Requirement(Outside):
    """Of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(Outside):
    """LabelSelector."""

    match_labels: dict[str, str] = Field(default={})
    match_expressions: tuple[Requirement, ...] = ()


class NodeSelectorTerm(Outside):
    """Of a NodeSelector."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class NodeSelector(Outside):
    """Of a pod's affinity, or of a volume."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


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


class BudgetSpec(Outside):
    """What somebody wants of a budget."""

    selector: Selector | None = None
    min_available: int | str = ""
    max_unavailable: int | str = ""
    unhealthy_pod_eviction_policy: str = ""


class BudgetStatus(Outside):
    """What the controllers count."""

    current_healthy: int = 0
    desired_healthy: int = 0
    disruptions_allowed: int = 0
    expected_pods: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class Budget(Outside):
    """policy/v1 PodDisruptionBudget."""

    metadata: PlacedMetadata
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class ClaimReference(Outside):
    """Of a persistent volume that is bound."""

    namespace: str
    name: str


class VolumeAffinity(Outside):
    """Where a persistent volume can be used."""

    required: NodeSelector | None = None


class VolumeSpec(Outside):
    """Of a persistent volume."""

    claim_ref: ClaimReference | None = None
    node_affinity: VolumeAffinity = VolumeAffinity()


class Volume(Outside):
    """v1 PersistentVolume."""

    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()


class AttachmentSource(Outside):
    """Of an attachment."""

    persistent_volume_name: str = ""


class AttachmentSpec(Outside):
    """Of an attachment."""

    node_name: str
    attacher: str
    source: AttachmentSource = AttachmentSource()


class Attachment(Outside):
    """storage.k8s.io/v1 VolumeAttachment."""

    metadata: Metadata
    spec: AttachmentSpec


class Cause(Outside):
    """Why a request was refused."""

    reason: str = ""
    message: str = ""


class StatusDetails(Outside):
    """Of an answer that is no object."""

    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] = ()


class Status(Outside):
    """v1 Status: what the API says where it gives no object."""

    status: str = ""
    message: str = ""
    code: int = 0
    details: StatusDetails = StatusDetails()


class CertificateRequestSpec(Outside):
    """Who asks for a certificate, and for what."""

    signer_name: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    usages: tuple[str, ...] = ()
    request: str = ""


class CertificateRequestStatus(Outside):
    """What became of it."""

    conditions: tuple[Condition, ...] = ()
    certificate: str = ""


class CertificateRequest(Outside):
    """certificates.k8s.io/v1 CertificateSigningRequest."""

    metadata: Metadata
    spec: CertificateRequestSpec = CertificateRequestSpec()
    status: CertificateRequestStatus = CertificateRequestStatus()


class Ingress(Outside):
    """Where a load balancer has a Service."""

    ip: str = ""
    hostname: str = ""


class LoadBalancer(Outside):
    """Of a Service."""

    ingress: tuple[Ingress, ...] = ()


class ServicePort(Outside):
    """Of a Service."""

    port: int


class ServiceSpec(Outside):
    """Of a Service."""

    cluster_ip: str = Field(default="", alias="clusterIP")
    cluster_ips: tuple[str, ...] = Field(default=(), alias="clusterIPs")
    external_ips: tuple[str, ...] = Field(default=(), alias="externalIPs")
    load_balancer_ip: str = Field(default="", alias="loadBalancerIP")
    external_name: str = ""
    ports: tuple[ServicePort, ...] = ()


class ServiceStatus(Outside):
    """Of a Service."""

    load_balancer: LoadBalancer = LoadBalancer()


class Service(Placed):
    """v1 Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class ServedSpec(ServiceSpec):
    """Of a Service that has an address of the cluster."""

    cluster_ip: str = Field(alias="clusterIP")


class ServedService(Outside):
    """v1 Service that nodes are asked to reach."""

    spec: ServedSpec


class ApiSpec(ServedSpec):
    """Of the Service of the API."""

    ports: tuple[ServicePort, ...] = Field(min_length=1)


class ServedApi(Outside):
    """v1 Service `kubernetes`."""

    spec: ApiSpec


class Version(Outside):
    """What the API says at /version."""

    git_version: str


class User(Outside):
    """Whom the API sees in somebody."""

    username: str


class ReviewStatus(Outside):
    """Of a review."""

    user_info: User


class Review(Outside):
    """authentication.k8s.io/v1 SelfSubjectReview."""

    status: ReviewStatus


class Secret(Placed):
    """v1 Secret."""

    data: dict[str, str] = Field(default={})


class TokenHeader(Outside):
    """Of a service account's token."""

    kid: str = ""


class ConfigMap(Outside):
    """v1 ConfigMap."""

    data: dict[str, str] = Field(default={})


class PlacedConfigMap(ConfigMap):
    """v1 ConfigMap that each namespace has."""

    metadata: PlacedMetadata


class WrittenConfigMap(Outside):
    """v1 ConfigMap, of which only matters when it was written."""

    metadata: WrittenMetadata


class InfoCluster(Outside):
    """Where a node that joins finds the API, and what it trusts."""

    certificate_authority_data: str = Field(alias="certificate-authority-data")


class InfoEntry(Outside):
    """The one of cluster-info."""

    cluster: InfoCluster


class InfoConfig(Outside):
    """The kubeconfig in cluster-info."""

    clusters: tuple[InfoEntry, ...] = Field(min_length=1)


class InYaml(Outside):
    """What people write as YAML: a number is read as text where text is meant."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class KubeadmNetworking(InYaml):
    """Of a ClusterConfiguration."""

    dns_domain: str = ""
    service_subnet: str = ""


class KubeadmApiServer(InYaml):
    """Of a ClusterConfiguration."""

    cert_sans: tuple[str, ...] = Field(default=(), alias="certSANs")


class KubeadmLocalEtcd(InYaml):
    """Of a ClusterConfiguration."""

    image_tag: str = ""
    server_cert_sans: tuple[str, ...] = Field(default=(), alias="serverCertSANs")
    peer_cert_sans: tuple[str, ...] = Field(default=(), alias="peerCertSANs")


class KubeadmEtcd(InYaml):
    """Of a ClusterConfiguration."""

    local: KubeadmLocalEtcd = KubeadmLocalEtcd()
    external: dict[str, Any] = Field(default={})


class ClusterConfiguration(InYaml):
    """kubeadm's own, as far as anybody here asks."""

    kubernetes_version: str = ""
    control_plane_endpoint: str = ""
    networking: KubeadmNetworking = KubeadmNetworking()
    api_server: KubeadmApiServer = KubeadmApiServer()
    etcd: KubeadmEtcd = KubeadmEtcd()


class ManifestMetadata(InYaml):
    """Of a static pod."""

    annotations: dict[str, str] = Field(default={})
    labels: dict[str, str] = Field(default={})


class Mount(InYaml):
    """Of a volume in a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""


class HostPath(InYaml):
    """A path of the node."""

    path: str


class ManifestVolume(InYaml):
    """Of a static pod."""

    name: str = ""
    host_path: HostPath | None = None


class ManifestContainer(InYaml):
    """Of a static pod."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[dict[str, Any], ...] = ()
    volume_mounts: tuple[Mount, ...] = ()


class ManifestSpec(InYaml):
    """Of a static pod."""

    containers: tuple[ManifestContainer, ...] = ()
    volumes: tuple[ManifestVolume, ...] = ()


class Manifest(InYaml):
    """A static pod, as it is written on a node."""

    metadata: ManifestMetadata = ManifestMetadata()
    spec: ManifestSpec = ManifestSpec()

    @property
    def container(self) -> ManifestContainer:
        """The first one; one that says nothing where there is none."""
        return next(iter(self.spec.containers), ManifestContainer())


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
