"""Observes nodes: what they report about themselves, what the API reports, and both together, at one moment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.shape import NodeShape
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.workloads import Workload
from tasks.nodes.probes import api_facts, node_facts
from tasks.nodes.probes.repositories import copies_for
from tasks.nodes.probes.sources import ask_repositories, in_lines, sources_in, with_answer

LOOK_LIMIT = timedelta(seconds=90)
"""Limits how long one node may take to answer all questions, and how long its package repositories may take."""

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
WORKLOADS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


def look_at_machines(handle: Cluster, target_minor: str = "") -> tuple[NodeFacts, ...]:
    """Observes all nodes of the profile in parallel.

    A node that refuses access gives a fact with the reason, not an error.
    """
    return tuple(on_all(lambda name: look_at_machine(handle, name, target_minor), _names(handle)))


def look_at_machine(handle: Cluster, name: str, target_minor: str = "") -> NodeFacts:
    """Observes one node of the profile.

    With a target, for example 1.37, it also reads what the repositories of that minor offer.
    """
    folder = handle.profile.kubeadm.folder
    facts, stdout = _ask(handle, name, lambda shape: node_facts.look(shape, folder))
    sources = sources_in(stdout)
    copies = copies_for(sources.files, target_minor) if target_minor else {}
    if not copies:
        return facts
    question = ask_repositories(sources.manager, node_facts.PROGRAMS)
    try:
        told = handle.shell(name).ask(question, stdin=in_lines(copies), limit=LOOK_LIMIT)
    except RunbookError as error:
        packages = facts.packages.model_copy(update={"problem": str(error)})
    else:
        packages = with_answer(facts.packages, told)
    return facts.model_copy(update={"packages": packages})


def glance_at_machine(handle: Cluster, name: str) -> NodeFacts:
    """Observes only what shows whether a node is healthy.

    It reads no packages, no certificates and no versions of programs.
    """
    facts, _ = _ask(handle, name, node_facts.glance)
    return facts


def _ask(handle: Cluster, name: str, script: Callable[[NodeShape], str]) -> tuple[NodeFacts, bytes]:
    """Queries a node, and returns both the parsed and the raw answer."""
    try:
        connection = handle.node(name)
        connection.connect()
        shape = handle.shape(name)
        asked = datetime.now(UTC)
        output = connection.run(script(shape), timeout=LOOK_LIMIT, sudo=True)
    except (NotYet, Refused) as error:
        return NodeFacts(name=name, unreached=str(error)), b""
    facts = node_facts.parse(name, output.stdout, shape, asked=asked, answered=datetime.now(UTC))
    return facts, output.stdout


def look_at_nodes(kube: KubeClient) -> tuple[KubeNode, ...]:
    """Returns all nodes of the API, with their leases."""
    return api_facts.parse_nodes(kube.items("/api/v1/nodes"), kube.items(LEASES))


def look_at_workloads(kube: KubeClient) -> tuple[Workload, ...]:
    """Returns the Deployments, StatefulSets and DaemonSets of all namespaces."""
    return tuple(
        api_facts.parse_workload(kind, item)
        for kind, plural in WORKLOADS.items()
        for item in kube.items(f"/apis/apps/v1/{plural}")
    )


def _names(handle: Cluster) -> list[str]:
    return [node.name for node in handle.profile.nodes]
