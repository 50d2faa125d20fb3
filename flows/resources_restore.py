"""Brings selected objects of a backup back into a cluster."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.resources_restore.models import BackupName, ResourceRestoreOptions, Select
from tasks.resources_restore.policy.plan import plan_restore_of_objects
from tasks.resources_restore.steps import LOCK, delete_extra, judge_objects, prove_objects, restore_objects
from tasks.resources_restore.summary import summarize_objects, summarize_restore_plan
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
@flow(name="resources_restore", flow_run_name="resources-restore-{cluster}", **RUNBOOK)
def resources_restore(
    cluster: ClusterName,
    backup: BackupName = "latest",
    select: Select = Select(),  # noqa: B008 - frozen
    mode: Mode = Mode.APPROVE,
    options: ResourceRestoreOptions = ResourceRestoreOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Restores objects of a backup by server-side apply, planned by the API server's dry run, and reads each one back.

    Objects that exist stay as they are, unless the options say otherwise.

    Args:
        cluster: name of the cluster's profile
        backup: id of the backup, or latest
        select: which objects of the backup
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the run may do
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(judge_objects, cluster, backup, select, options)
        plan = run.settle(plan_restore_of_objects(facts, options), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_restore_plan(facts, plan))
        with objects_locked(cluster, run.run_id, run.holder, [LOCK], respect_cluster=True) as check:
            restored = run.step(restore_objects, cluster, facts, select, options, check)
            deleted = run.step(delete_extra, cluster, facts, restored, check)
            proof = run.step(prove_objects, cluster, facts, select, options, restored)
        return run.finish(*summarize_objects(facts, restored, deleted, proof))
