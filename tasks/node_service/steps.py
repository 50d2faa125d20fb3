"""Takes one node out of service, puts it back, or reboots it for a person or an incident.

These steps use the same parts as every other runbook.
"""

from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import open_cluster
from tasks.core.errors import Refused
from tasks.core.retries import ACT, PATIENT
from tasks.drain.cordon import annotate, cordon, hand_over, keep_cordoned, release
from tasks.drain.evict import drain
from tasks.drain.models import REBOOTED, Drained, DrainOptions
from tasks.node_service.models import Request, Uncordoned
from tasks.node_service.policy.plan import reason_of
from tasks.node_work.models.health import Expected
from tasks.node_work.proof import what_is_elsewhere
from tasks.node_work.work import begin_node_work
from tasks.nodes.probes.api_facts import parse_node
from tasks.run.locks import Check

SETTLE = timedelta(seconds=10)
"""This is how long a node must stay healthy without a break before it is in service again."""


@task(**PATIENT, task_run_name="drain-{request.node}")
def drain_node(cluster: str, request: Request, options: DrainOptions, check: Check) -> Drained:
    """Cordons and drains the node, then hands the cordon over to the person who requested it.

    No run removes that cordon. A cordon of somebody else stays as it is.
    """
    kube = open_cluster(cluster).kube
    check()
    before = cordon(kube, request.node, request.run_id, request.in_words, ticket=request.ticket)
    try:
        drained = drain(kube, request.node, options, check=check)
    except Refused as error:
        if parse_node(kube.get(f"/api/v1/nodes/{request.node}"), None).cordoned:
            keep_cordoned(kube, request.node, error.problem)
        raise
    if not before:
        hand_over(kube, request.node, request.in_words, request.ticket)
    return drained


@task(**PATIENT, task_run_name="uncordon-{request.node}")
def uncordon_node(cluster: str, request: Request, check: Check, *, allow_unhealthy: bool) -> Uncordoned:
    """Verifies that the node is healthy, removes its cordon, and waits until the cluster is no worse than before.

    With `allow_unhealthy` the node must only be no worse than it is now. Problems that are unrelated to the node are
    only reported.
    """
    handle = open_cluster(cluster)
    work = begin_node_work(handle, request.node, "node_uncordon", request.run_id, check)
    work.take_as_it_is() if allow_unhealthy else work.forgive_nothing()
    work.forgive(what_is_elsewhere(handle, request.node, work.before.services))
    node = parse_node(handle.kube.get(f"/api/v1/nodes/{request.node}"), None)
    reason = reason_of(node)
    pod = work.machine.static_pod("kube-apiserver")
    work.prove(
        Expected(
            kubelet=work.machine.kubelet_in_use or node.kubelet,
            since=work.now(),
            control_plane=pod.version if pod else "",
            stable_for=SETTLE,
            promised=False,
            of_node_alone=True,
        )
    )
    check()
    was = release(handle.kube, request.node)
    work.prove_workloads()
    return Uncordoned(node=request.node, was_cordoned=was, reason=reason, noticed=work.noticed, took=work.took)


@task(**ACT, task_run_name="note-reboot-{request.node}")
def note_reboot(cluster: str, request: Request, check: Check) -> None:
    """Records in an annotation when the node is rebooted, for which ticket, and why."""
    check()
    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    annotate(open_cluster(cluster).kube, request.node, {REBOOTED: f"{when} {request.in_words}"})
