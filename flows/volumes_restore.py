"""Restores volumes from a backup of their snapshots or archives, beside the old ones or in their place."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook
from tasks.volumes_restore.models.options import LATEST, BackupName, ClaimsToRestore, VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.steps import (
    bind_new_volumes,
    check_new_claims,
    close_switches,
    import_snapshots,
    keep_old_volumes,
    make_volumes,
    observe_volume_restore,
    prove_volume_restore,
    restore_archives,
    start_workloads,
    stop_workloads,
)
from tasks.volumes_restore.summary import summarize_volume_restore, summarize_volume_restore_plan, way_back_of


@ends_in_words
@flow(name="volumes_restore", flow_run_name="volumes-restore-{cluster}", **RUNBOOK)
def volumes_restore(
    cluster: ClusterName,
    backup: BackupName = LATEST,
    select: ClaimsToRestore = ClaimsToRestore(),  # noqa: B008 - frozen
    mode: Mode = Mode.APPROVE,
    options: VolumeRestoreOptions = VolumeRestoreOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Makes new volumes from the snapshots and archives of a backup, beside the old ones or in their place. The old ones are kept.

    Args:
        cluster: name of the cluster's profile
        backup: id of the backup, or latest: the newest one that has the selected claims
        select: which claims of the backup; if empty, all
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: whether the new volumes take the place of the old ones, their class and size, and how long each step may take
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_volume_restore, cluster, backup, select, options, run.run_id)
        plan = run.settle(plan_volume_restore(facts, options), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_volume_restore_plan(facts, plan))
        with objects_locked(cluster, run.run_id, run.holder, plan.locks, respect_cluster=True) as check:
            run.step(import_snapshots, cluster, plan, options, run.run_id, check)
            archives = run.step(restore_archives, cluster, plan, options, run.run_id, check)
            volumes = run.step(make_volumes, cluster, plan, options, archives, run.run_id, check)
            run.way_back(way_back_of(plan))
            run.step(stop_workloads, cluster, plan, options, run.run_id, check)
            kept = run.step(keep_old_volumes, cluster, plan, volumes, run.run_id, check)
            run.step(bind_new_volumes, cluster, plan, volumes, run.run_id, check)
            started = run.step(start_workloads, cluster, plan, run.run_id, check)
            proof = run.step(prove_volume_restore, cluster, plan, volumes, options)
            files = run.step(check_new_claims, cluster, plan, options, run.run_id, check)
            run.step(close_switches, cluster, plan, volumes, run.run_id, check)
        return run.finish(*summarize_volume_restore(plan, volumes, kept, started, proof, archives, files))
