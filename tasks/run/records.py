"""Finds open records of interrupted runs on all nodes in parallel."""

from datetime import timedelta

from prefect import task

from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError, in_lines
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.retries import OBSERVE
from tasks.run.models.records import OpenRecord, OpenRecords, RecordKind
from tasks.run.policy.records import what_stops
from tasks.run.probes import records

LOOK_LIMIT = timedelta(seconds=20)
"""Limits the query to one node, so that no plan waits longer for a node that hangs."""


@task(**OBSERVE, task_run_name="observe-records-{cluster}")
def observe_records(cluster: str) -> OpenRecords:
    """Returns what runs of any runbook have begun on nodes and not finished.

    A node that does not answer is a fact, with the reason.
    """
    return find_records(open_cluster(cluster))


def find_records(handle: Cluster) -> OpenRecords:
    """Returns the same as `observe_records`, for a cluster that is already open."""
    names = [node.name for node in handle.profile.nodes]
    if handle.profile.ssh is None or not names:
        return OpenRecords(blind=True)
    answers = on_all(lambda name: _look(handle, name), names)
    return OpenRecords(
        found=tuple(one for found, _ in answers for one in found),
        unseen={name: problem for name, (_, problem) in zip(names, answers, strict=True) if problem},
    )


@task(**OBSERVE, task_run_name="check-records-{cluster}")
def check_records(cluster: str, runbook: str, *, nodes: tuple[str, ...] = (), no_api: bool = False) -> OpenRecords:
    """Checks the records again once the lock is held.

    A run that ended or died since the plan was made may have left a record.

    Raises `Refused` for a record that would have stopped the plan.
    """
    found = find_records(open_cluster(cluster))
    refuse_what_stops(found, cluster, runbook, nodes=nodes, no_api=no_api)
    return found


def refuse_what_stops(
    found: OpenRecords, cluster: str, runbook: str, *, nodes: tuple[str, ...] = (), no_api: bool = False
) -> None:
    """Raises `Refused` with every record that stops this runbook."""
    if stops := what_stops(found, runbook, cluster, nodes=nodes, no_api=no_api):
        problem, hint = in_lines((f"{one.subject}: {one.problem}", one.next_step) for one in stops)
        raise Refused(problem, hint=hint)


def _look(handle: Cluster, name: str) -> tuple[tuple[OpenRecord, ...], str]:
    try:
        output = handle.node(name).run(records.look(_parked_on(handle, name)), timeout=LOOK_LIMIT, sudo=True)
        found = records.parse(name, output.stdout)
    except RunbookError as error:
        return (), error.problem
    except ValueError as error:  # of a disk that fails, for example: no reason to end a restore
        return (), f"its answer could not be parsed: {error}"
    return tuple(_compared(handle, one) if one.kind is RecordKind.PATCH else one for one in found), records.unseen(
        output.stdout
    )


def _parked_on(handle: Cluster, name: str) -> str:
    """Returns the parking folder beside the folder that the node's kubelet reads."""
    return str(handle.shape(name).parked)


def _compared(handle: Cluster, record: OpenRecord) -> OpenRecord:
    """Adds to the record of a patch whether its node is in service again.

    If so, somebody uncordoned the node, or the run died right after it did so itself. Nothing resumes such a record.
    """
    try:
        node = handle.kube.find(f"/api/v1/nodes/{record.node}")
        in_service = node is not None and not outside.Node.read(node, name_of("node", node)).spec.unschedulable
    except RunbookError:
        return record
    return record.model_copy(update={"in_service": in_service})
