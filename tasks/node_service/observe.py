"""Observes one node before it is drained or uncordoned."""

from datetime import UTC, datetime

from prefect import task

from tasks.cluster import open_cluster
from tasks.core.retries import OBSERVE
from tasks.drain.models import DrainOptions
from tasks.drain.observe import observe_forecasts
from tasks.node_service.models import ServiceFacts
from tasks.node_work.proof import find_services, look_at_symptoms_of, what_is_elsewhere
from tasks.nodes.observe import LEASES, look_at_machine
from tasks.nodes.probes.api_facts import parse_node


@task(**OBSERVE, task_run_name="observe-{node}")
def observe_node(cluster: str, node: str, options: DrainOptions) -> ServiceFacts:
    """Observes the node itself, its objects in the API, and the obstacles to a drain."""
    handle = open_cluster(cluster)
    kube = handle.kube
    raw = kube.find(f"/api/v1/nodes/{node}")
    machine = look_at_machine(handle, node)
    symptoms = look_at_symptoms_of(handle, machine) if raw else ()
    return ServiceFacts(
        observed_at=datetime.now(UTC),
        machine=machine,
        kube=parse_node(raw, kube.find(f"{LEASES}/{node}")) if raw else None,
        forecast=observe_forecasts(kube, [node], options)[0] if raw else None,
        symptoms=symptoms,
        elsewhere=what_is_elsewhere(handle, node, find_services(kube)) if symptoms else (),
    )
