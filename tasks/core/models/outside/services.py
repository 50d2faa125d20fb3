"""Models Services, their backends, and what calls them: webhooks and API services."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Conditions, Metadata, Placed


class ApiService(Outside):
    """This is an apiregistration.k8s.io/v1 APIService."""

    metadata: Metadata
    status: Conditions = Conditions()


class ServiceReference(Outside):
    """This is a webhook's reference to a Service."""

    namespace: str
    name: str


class ClientConfig(Outside):
    """This is what a webhook calls: a Service or a URL."""

    service: ServiceReference | None = None
    url: str = ""


class Hook(Outside):
    """This is one webhook of a configuration."""

    name: str
    failure_policy: str = "Fail"
    client_config: ClientConfig = ClientConfig()


class WebhookConfiguration(Outside):
    """This is an admissionregistration.k8s.io/v1 configuration, validating or mutating."""

    webhooks: tuple[Hook, ...] = ()


class EndpointConditions(Outside):
    """These are the conditions of an endpoint; an endpoint that does not report its readiness is ready."""

    ready: bool = True


class Endpoint(Outside):
    """This is one endpoint of an EndpointSlice."""

    node_name: str = ""
    conditions: EndpointConditions = EndpointConditions()


class SliceMetadata(Outside):
    """This is the metadata of an EndpointSlice; its own name is not read."""

    namespace: str
    labels: dict[str, str] = Field(default={})


class EndpointSlice(Outside):
    """This is a discovery.k8s.io/v1 EndpointSlice."""

    metadata: SliceMetadata
    endpoints: tuple[Endpoint, ...] = ()


class Ingress(Outside):
    """This is the place where a load balancer exposes a Service."""

    ip: str = ""
    hostname: str = ""


class LoadBalancer(Outside):
    """This is the load balancer status of a Service."""

    ingress: tuple[Ingress, ...] = ()


class ServicePort(Outside):
    """This is a port of a Service."""

    port: int


class ServiceSpec(Outside):
    """This is the spec of a Service."""

    cluster_ip: str = Field(default="", alias="clusterIP")
    cluster_ips: tuple[str, ...] = Field(default=(), alias="clusterIPs")
    external_ips: tuple[str, ...] = Field(default=(), alias="externalIPs")
    load_balancer_ip: str = Field(default="", alias="loadBalancerIP")
    external_name: str = ""
    ports: tuple[ServicePort, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Returns the cluster IPs, one for each IP family; none for a headless Service."""
        return tuple(one for one in self.cluster_ips or (self.cluster_ip,) if one and one != "None")


class ServiceStatus(Outside):
    """This is the status of a Service."""

    load_balancer: LoadBalancer = LoadBalancer()


class Service(Placed):
    """This is a v1 Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class ServedSpec(ServiceSpec):
    """This is the spec of a Service that has a cluster IP."""

    cluster_ip: str = Field(alias="clusterIP")


class ServedService(Outside):
    """This is a v1 Service that nodes are asked to reach."""

    spec: ServedSpec


class ApiSpec(ServedSpec):
    """This is the spec of the API's Service."""

    ports: tuple[ServicePort, ...] = Field(min_length=1)


class ServedApi(Outside):
    """This is the v1 Service `kubernetes`."""

    spec: ApiSpec
