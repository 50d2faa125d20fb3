"""A node after an act: what has to be so before it counts as healthy, and what the cluster had before."""

from datetime import timedelta

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.pods import Pod
from tasks.nodes.models.workloads import Workload


class Symptom(Model):
    """Something about a node that is not as it has to be."""

    of: str = Field(description="what was asked, for example `unit containerd`: the same before and after an act")
    problem: str = Field(description="with the figures of this moment")
    grave: bool = Field(default=False, description="no act may leave a node like this, even one that found it so")


__all__ = ["Before", "Expected", "NodeLook", "Services", "Symptom"]


class Services(Model):
    """Addresses that every node has to reach, and that kube-proxy forwards there."""

    kubernetes: str = Field(description="ClusterIP of default/kubernetes")
    port: int = 443
    dns: str = Field(default="", description="ClusterIP of kube-system/kube-dns; empty when there is none")


class Expected(Model):
    """What a node has to be."""

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


class NodeLook(Model):
    """A node, looked at from all sides."""

    machine: NodeFacts
    node: KubeNode | None = Field(description="none when the API does not know it")
    pods: tuple[Pod, ...] = Field(description="on this node")
    service_path: dict[str, str] = Field(description="Service that does not answer this node to what is wrong")
    etcd: str = Field(default="", description="what ails its member, or another one; empty when nothing does")
    gates: tuple[str, ...] = Field(default=(), description="what the site's own gates say")


class Before(Model):
    """The cluster before the first act on a node: afterwards it has to be no worse."""

    workloads: tuple[Workload, ...]
    services: Services
    here: tuple[str, ...] = Field(
        default=(), description="workloads that had ready pods on the node, as `Deployment shop/cart`"
    )
    unhealthy: tuple[str, ...] = Field(
        default=(), description="`of` of the symptoms that the node had already: they are no reason to fail afterwards"
    )
