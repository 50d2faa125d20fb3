"""Proves that objects of a backup can be restored, in namespaces that are thrown away."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from tasks.backup.backups import check_store
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.resources_restore.drills import LOCK, drill_objects
from tasks.resources_restore.models import BackupName
from tasks.resources_restore.summary import summarize_resource_drill
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="resources_restore_drill", flow_run_name="resources-drill-{cluster}", **RUNBOOK)
def resources_restore_drill(
    cluster: ClusterName,
    backup: BackupName = "latest",
    namespaces: tuple[str, ...] = (),
    sample: Annotated[int, Field(ge=1, le=50)] = 3,
) -> Report:
    """Restores namespaces of a backup into throw-away namespaces, compares them object by object, and removes them.

    Nothing runs there, and nothing is reachable from outside. The run is refused if an object does not come back equal.

    Args:
        cluster: name of the cluster's profile
        backup: id of the backup, or latest
        namespaces: namespaces of the backup; none means some of them, others each day
        sample: how many namespaces are drilled if none is named
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        with objects_locked(cluster, run.run_id, run.holder, [LOCK]) as check:
            drilled = run.step(drill_objects, cluster, backup, namespaces, sample, run.run_id, check)
        return run.finish(*summarize_resource_drill(drilled))
