"""Backs up volumes by CSI snapshots, or by archives of folders of nodes, and removes old backups by rules."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode, PlanOrApply
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook
from tasks.volumes.archives import archive_volumes, read_archives_back
from tasks.volumes.expire import expire_volumes, publish_volumes_age
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes.steps import (
    await_ready,
    cut_snapshots,
    observe_volumes,
    place_of_volume_backup,
    prove_volume_backup,
    retain_snapshots,
    thaw_containers,
    volume_backup_of_this_run,
    write_volume_manifest,
)
from tasks.volumes.summary import summarize_volume_backup, summarize_volume_plan


@ends_in_words
@flow(name="volumes_backup", flow_run_name="volumes-backup-{cluster}", **RUNBOOK)
def volumes_backup(
    cluster: ClusterName,
    select: Selection,
    mode: PlanOrApply = Mode.APPLY,
    options: VolumeOptions = VolumeOptions(),  # noqa: B008 - frozen
    retention: Retention | None = None,
) -> Report:
    """Takes a CSI snapshot of each selected claim, or lets its node archive it into the bucket, and records that for a restore.

    Hooks of the profile freeze applications in their containers while the snapshots are cut.

    Args:
        cluster: name of the cluster's profile
        select: whose data is backed up; retention counts the backups of the same selection together
        mode: plan shows the plan and changes nothing; apply takes the snapshots and archives
        options: which class of snapshots, whether pods may use what is archived, and how long all of it may take
        retention: which backups of this selection to keep; if empty, the profile's rules
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        if mode is Mode.APPLY:
            run.step(thaw_containers, cluster, run.run_id)
        facts = run.step(observe_volumes, cluster, select)
        plan = run.settle(plan_volumes(facts, select, options), mode)
        if mode is Mode.PLAN:
            return run.finish(*summarize_volume_plan(plan, select))
        backup, cut = run.step(volume_backup_of_this_run, cluster, run.run_id), None
        if backup is None:
            cut = run.step(cut_snapshots, cluster, plan, run.run_id, options)
            run.step(retain_snapshots, cluster, plan, run.run_id)
            kept = run.step(await_ready, cluster, plan, run.run_id, options)
            archived = run.step(archive_volumes, cluster, plan, run.run_id, options)
            run.step(read_archives_back, cluster, archived)
            backup = run.step(write_volume_manifest, cluster, select, plan, cut, kept, archived, run_id=run.run_id)
        run.step(prove_volume_backup, cluster, backup)
        expired = run.step(expire_volumes, cluster, backup, retention)
        run.step(publish_volumes_age, cluster)
        return run.finish(*summarize_volume_backup(backup, place_of_volume_backup(cluster, backup.id), cut, expired))
