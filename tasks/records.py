"""Open records of interrupted runs, looked for on all nodes at once."""

from datetime import timedelta

from prefect import task

from tasks.at_once import on_all
from tasks.cluster import Cluster, open_cluster
from tasks.errors import RunbookError
from tasks.models.records import OpenRecord, OpenRecords
from tasks.probes import records
from tasks.retries import OBSERVE

CALL = timedelta(seconds=20)


@task(**OBSERVE, task_run_name="observe-records-{cluster}")
def observe_records(cluster: str) -> OpenRecords:
    """What runs of any runbook have begun on nodes and not ended; a node that does not answer is a fact, with the reason."""
    handle = open_cluster(cluster)
    names = [node.name for node in handle.profile.nodes]
    if handle.profile.ssh is None or not names:
        return OpenRecords(blind=True)
    answers = on_all(lambda name: _look(handle, name), names)
    return OpenRecords(
        found=tuple(one for found, _ in answers for one in found),
        unseen={name: problem for name, (_, problem) in zip(names, answers, strict=True) if problem},
    )


def _look(handle: Cluster, name: str) -> tuple[tuple[OpenRecord, ...], str]:
    try:
        output = handle.node(name).run(records.look(), timeout=CALL, sudo=True)
    except RunbookError as error:
        return (), error.problem
    return records.parse(name, output.stdout), ""
