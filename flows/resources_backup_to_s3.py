"""Backs up the objects of the API into S3 as readable files, and says what changed since the last backup."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.resources.policy.plan import plan_backup
from tasks.resources.steps import (
    clean_resources,
    compare_resources,
    observe_resources,
    place_of_resources,
    publish_resources_age,
    read_back_resources,
    refuse_partial,
    resources_of_this_run,
    take_resources,
    write_resources_manifest,
)
from tasks.resources.summary import summarize_resources
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="resources_backup_to_s3", flow_run_name="resources-{cluster}", **RUNBOOK)
def resources_backup_to_s3(
    cluster: ClusterName, retention: Retention | None = None, verify_all: bool = False
) -> Report:
    """Stores every object of the API at one instant as readable files in S3, verifies them, and reports what changed.

    The run fails if a kind does not answer: what it has is stored as a partial backup.

    Args:
        cluster: name of the cluster's profile
        retention: which backups to keep; if empty, the profile's rules
        verify_all: also read back the files of earlier backups that this one shares
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_resources, cluster)
        run.settle(plan_backup(facts))
        proof = None
        backup = run.step(resources_of_this_run, cluster, run.run_id)
        if backup is None:
            taken = run.step(take_resources, cluster, facts, run.run_id, verify_all=verify_all)
            proof = run.step(read_back_resources, cluster, taken, verify_all=verify_all)
            backup = run.step(write_resources_manifest, cluster, taken)
        compared = run.step(compare_resources, cluster, backup)
        cleaned = run.step(clean_resources, cluster, backup.id, retention)
        run.step(publish_resources_age, cluster)
        place = place_of_resources(cluster, backup.id)
        report = run.finish(*summarize_resources(backup, place, proof, compared, cleaned))
        refuse_partial(backup)
        return report
