"""Models the health of a node after an act: what must hold, and what the cluster had before."""

from datetime import timedelta

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.pods import Pod
from tasks.nodes.models.workloads import Workload


class Symptom(Model):
    """This is a fact about a node that is not as it must be."""

    of: str = Field(description="what was asked, for example `unit containerd`: the same before and after an act")
    problem: str = Field(description="with the figures of this moment")
    grave: bool = Field(default=False, description="no act may leave a node like this, even one that found it so")


class Services(Model):
    """This holds the Service addresses that every node must reach and that kube-proxy forwards on the node."""

    kubernetes: tuple[str, ...] = Field(description="ClusterIPs of default/kubernetes, of each family")
    port: int = 443
    dns: tuple[str, ...] = Field(default=(), description="ClusterIPs of kube-system/kube-dns; none when there is none")


class NodeDns(Model):
    """This holds the DNS settings that the pods of a node receive."""

    domain: str = Field(description="of the cluster, for example cluster.local")
    servers: tuple[str, ...] = Field(default=(), description="clusterDNS of its kubelet")


class Expected(Model):
    """This describes the state that a node must have."""

    kubelet: str = Field(description="version without v")
    since: UtcTime = Field(description="by the node's clock: older heartbeats are of the kubelet before")
    control_plane: str = Field(default="", description="version of its static pods; empty for a worker")
    stable_for: timedelta = Field(
        default=timedelta(seconds=10), description="that all has to look well without a break"
    )
    boot_id: str = Field(default="", description="that it must not have any more; empty when it was not rebooted")
    promised: bool = Field(
        default=True, description="the act brings these versions: that they were not there before is no excuse"
    )
    of_node_alone: bool = Field(
        default=False,
        description="etcd members of other nodes and the site's gates are reported, and keep no node cordoned",
    )


class NodeLook(Model):
    """This is everything that was observed about a node."""

    machine: NodeFacts
    node: KubeNode | None = Field(description="none when there is no Node object with this name")
    pods: tuple[Pod, ...] = Field(description="on this node")
    service_path: dict[str, str] = Field(description="Service that does not answer this node to what is wrong")
    runtime: str = Field(default="", description="why its container runtime is not there; empty when it is")
    etcd: str = Field(default="", description="why its own member is unhealthy; empty if it is healthy")
    etcd_elsewhere: str = Field(default="", description="why another member is unhealthy, or why none could be asked")
    gates: tuple[str, ...] = Field(default=(), description="what the site's own gates say")


class Before(Model):
    """This is the state of the cluster before the first act on a node. It must be no worse afterwards."""

    workloads: tuple[Workload, ...]
    services: Services
    here: tuple[str, ...] = Field(
        default=(), description="workloads that had ready pods on the node, as `Deployment shop/cart`"
    )
    unhealthy: tuple[str, ...] = Field(
        default=(), description="`of` of the symptoms that the node had already: they are no reason to fail afterwards"
    )
