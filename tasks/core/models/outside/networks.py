"""Models NetworkPolicies, and pods as they see them."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import PlacedMetadata, Selector
from tasks.core.models.outside.pods import PodMetadata


class IpBlock(Outside):
    """This is a block of addresses, and the parts that do not belong to it."""

    cidr: str
    excluded: tuple[str, ...] = Field(default=(), alias="except")


class NetworkPeer(Outside):
    """This is an entry of `from` or `to`."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: IpBlock | None = None


class NetworkPort(Outside):
    """This is an entry of `ports`."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int = 0


class IngressRule(Outside):
    """This is one rule of a policy for connections to its pods."""

    peers: tuple[NetworkPeer, ...] = Field(default=(), alias="from")
    ports: tuple[NetworkPort, ...] = ()


class EgressRule(Outside):
    """This is one rule of a policy for connections from its pods."""

    peers: tuple[NetworkPeer, ...] = Field(default=(), alias="to")
    ports: tuple[NetworkPort, ...] = ()


class NetworkPolicySpec(Outside):
    """This is the spec of a NetworkPolicy."""

    pod_selector: Selector = Selector()
    policy_types: tuple[str, ...] = ()
    ingress: tuple[IngressRule, ...] = ()
    egress: tuple[EgressRule, ...] = ()


class NetworkPolicy(Outside):
    """This is a networking.k8s.io/v1 NetworkPolicy."""

    metadata: PlacedMetadata
    spec: NetworkPolicySpec = NetworkPolicySpec()


class ContainerPort(Outside):
    """This is a port of a container."""

    name: str = ""
    protocol: str = "TCP"
    container_port: int = 0


class NetworkContainer(Outside):
    """This is a container with its ports. An init container that restarts always is a sidecar."""

    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str = ""


class NetworkPodSpec(Outside):
    """This is the spec of a pod: its ports, and in which network it is."""

    node_name: str = ""
    host_network: bool = False
    runtime_class_name: str = ""
    containers: tuple[NetworkContainer, ...] = ()
    init_containers: tuple[NetworkContainer, ...] = ()


class PodAddress(Outside):
    """This is an address of a pod."""

    ip: str


class NetworkPodStatus(Outside):
    """This is the status of a pod: whether it runs, and its addresses."""

    phase: str = ""
    pod_ips: tuple[PodAddress, ...] = Field(default=(), alias="podIPs")


class NetworkPod(Outside):
    """This is a v1 Pod as NetworkPolicies see it."""

    metadata: PodMetadata
    spec: NetworkPodSpec = NetworkPodSpec()
    status: NetworkPodStatus = NetworkPodStatus()
