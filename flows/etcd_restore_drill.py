"""Proves that a backup can be restored and that the newest backup is young enough."""

from typing import Annotated

from prefect import flow
from pydantic import StringConstraints

from tasks.backup.backups import check_freshness, check_store, find_backup, place_of_backup
from tasks.backup.drills import restore_drill
from tasks.backup.pki import read_pki_back
from tasks.backup.summary import summarize_drill, summarize_freshness
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="etcd_restore_drill", flow_run_name="drill-{cluster}", **RUNBOOK)
def etcd_restore_drill(
    cluster: ClusterName,
    backup: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "latest",
    restore: bool = True,
) -> Report:
    """Restores a backup into a scratch etcd on the worker and compares it with what the live member reported.

    It needs only the bucket, not the cluster. The run is refused if the backup cannot be restored, or if
    the newest good backup is older than the profile's recovery point objective (backup.rpo).

    Args:
        cluster: name of the cluster's profile
        backup: id of the backup, or latest
        restore: if false, checks only that the newest backup is complete and younger than backup.rpo; takes seconds
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        if not restore:
            return run.finish(*summarize_freshness(run.step(check_freshness, cluster)))
        manifest = run.step(find_backup, cluster, backup)
        drilled = run.step(restore_drill, cluster, manifest.snapshot)
        run.step(read_pki_back, cluster, manifest)
        fresh = run.step(check_freshness, cluster)
        return run.finish(*summarize_drill(manifest, place_of_backup(cluster, manifest.id), drilled, fresh))
