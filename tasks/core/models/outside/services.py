"""Services, what stands behind them, and who calls them: webhooks and API services."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Conditions, Metadata, Placed


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
