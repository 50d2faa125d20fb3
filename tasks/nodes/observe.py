"""Nodes: what all machines say of themselves, what the API says of them, and both together, at one moment."""

from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.workloads import Workload
from tasks.nodes.probes import api_facts, node_facts

CALL = timedelta(seconds=90)
"""For all that is asked of a machine at once, its package repository among it."""

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
WORKLOADS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


def look_at_machines(handle: Cluster, target_minor: str = "") -> tuple[NodeFacts, ...]:
    """All nodes of the profile at once; one that does not let us in is a fact, with the reason."""
    return tuple(on_all(lambda name: look_at_machine(handle, name, target_minor), _names(handle)))


def look_at_machine(handle: Cluster, name: str, target_minor: str = "") -> NodeFacts:
    """One of them."""
    return _ask(handle, name, node_facts.look(target_minor))


def glance_at_machine(handle: Cluster, name: str) -> NodeFacts:
    """What tells whether it is well: no packages, no certificates, no versions of programs."""
    return _ask(handle, name, node_facts.glance())


def _ask(handle: Cluster, name: str, script: str) -> NodeFacts:
    try:
        connection = handle.node(name)
        connection.connect()
        asked = datetime.now(UTC)
        output = connection.run(script, timeout=CALL, sudo=True)
    except (NotYet, Refused) as error:
        return NodeFacts(name=name, unreached=str(error))
    return node_facts.parse(name, output.stdout, asked=asked, answered=datetime.now(UTC))


def look_at_nodes(kube: KubeClient) -> tuple[KubeNode, ...]:
    """All nodes of the API, with their leases."""
    return api_facts.parse_nodes(kube.items("/api/v1/nodes"), kube.items(LEASES))


def look_at_workloads(kube: KubeClient) -> tuple[Workload, ...]:
    """Deployments, StatefulSets and DaemonSets of all namespaces."""
    return tuple(
        api_facts.parse_workload(kind, item)
        for kind, plural in WORKLOADS.items()
        for item in kube.items(f"/apis/apps/v1/{plural}")
    )


def _names(handle: Cluster) -> list[str]:
    return [node.name for node in handle.profile.nodes]
