"""Restores a whole cluster to the state of a backup."""

from datetime import UTC, datetime
from typing import Annotated

from prefect import flow
from pydantic import StringConstraints

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode, PlanOrApply
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.restore.models import Difference, RestorePlan, RestoreRequest
from tasks.restore.observe import find_restorable, observe_control_planes
from tasks.restore.policy.plan import backup_to_look_for, plan_restore
from tasks.restore.policy.rollback import plan_rollback
from tasks.restore.steps import (
    end_restore,
    prepare_data,
    prove_recovery,
    restart_kubelets,
    roll_back,
    start_api_servers,
    start_controllers,
    start_etcd,
    stop_control_plane,
    swap_data,
)
from tasks.restore.summary import rollback_command, summarize_restore, summarize_restore_plan, summarize_rollback
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import observe_records
from tasks.run.runbook import RUNBOOK, Run, runbook

Name = Annotated[str, StringConstraints(max_length=253)]


@ends_in_words
@flow(name="etcd_restore_from_s3", flow_run_name="restore-{cluster}", **RUNBOOK)
def etcd_restore_from_s3(
    cluster: ClusterName,
    backup: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "latest",
    mode: PlanOrApply = Mode.PLAN,
    confirm: Name = "",
    lost: tuple[Name, ...] = (),
    from_cluster: Name = "",
    may_differ: tuple[Difference, ...] = (),
    replace_healthy: bool = False,
    rollback: bool = False,
) -> Report:
    """Replaces the whole state of a cluster with a backup. It works while the API and etcd are down, and resumes after a crash.

    Args:
        cluster: name of the cluster's profile
        backup: id of the backup; latest is the newest one, or the one that an interrupted restore began with
        mode: plan shows the plan and changes nothing; apply restores
        confirm: the name of the cluster again, required for apply
        lost: nodes of the profile that are gone for good; the restored cluster does not have them
        from_cluster: the name of another cluster, to restore its backup into this one
        may_differ: what may differ between backup and cluster: ca after a CA rotation, nodes if all nodes were replaced
        replace_healthy: restore even if the cluster works; everything written since the backup is lost
        rollback: put back the data from before the first attempt; possible until an API server has run on restored data
    """
    request = RestoreRequest(
        cluster=cluster,
        mode=mode,
        confirm=confirm,
        lost=lost,
        from_cluster=from_cluster,
        may_differ=may_differ,
        replace_healthy=replace_healthy,
    )
    with runbook(cluster, needs_etcd_client=False) as run:
        if rollback:
            return _roll_back(run, request)
        run.step(check_store, cluster)
        facts = run.step(observe_control_planes, cluster)
        manifest = run.step(find_restorable, cluster, backup_to_look_for(facts, backup), from_cluster)
        planned = plan_restore(facts, manifest, request, restore_id=run.run_id, now=datetime.now(UTC))
        records = run.step(observe_records, cluster)
        plan = run.settle(mind_records(planned, records, "etcd_restore_from_s3", cluster))
        if mode is Mode.PLAN:
            return run.finish(*summarize_restore_plan(plan))
        if plan.ended:
            return run.finish(f"an earlier attempt of this run has restored backup {plan.backup} to the end")
        with locked(cluster, run.run_id, run.holder, plan.machines, lost=lost, without_api=True) as check:
            if not plan.serving:
                run.way_back(rollback_command(request))
                run.step(prepare_data, cluster, plan, manifest, check)
                run.step(stop_control_plane, cluster, plan, check)
                run.step(swap_data, cluster, plan, check)
            etcd = run.step(start_etcd, cluster, plan, manifest, check)
            run.way_back("")
            run.step(start_api_servers, cluster, plan, check)
            run.step(start_controllers, cluster, plan, check)
            run.step(restart_kubelets, cluster, plan, check)
            proof = run.step(prove_recovery, cluster, plan, manifest)
            ended = run.step(end_restore, cluster, plan, check)
        return run.finish(*summarize_restore(plan, etcd, proof, ended))


def _roll_back(run: Run, request: RestoreRequest) -> Report:
    cluster, lost = request.cluster, request.lost
    facts = run.step(observe_control_planes, cluster)
    plan: RestorePlan = run.settle(plan_rollback(facts, request))
    if request.mode is Mode.PLAN:
        return run.finish(*summarize_restore_plan(plan))
    with locked(cluster, run.run_id, run.holder, plan.machines, lost=lost, without_api=True) as check:
        done = run.step(roll_back, cluster, plan, check)
    return run.finish(*summarize_rollback(plan, done))
