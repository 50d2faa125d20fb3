"""Rolls out a change of workloads, and puts it back if it fails."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.request import Reason, Ticket
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook
from tasks.workloads.groups import roll_out
from tasks.workloads.models.changes import Change, RolloutOptions, RolloutRequest
from tasks.workloads.policy.plan import plan_rollout
from tasks.workloads.steps import ask_registries, observe_rollout
from tasks.workloads.summary import summarize_rollout, summarize_rollout_plan


@ends_in_words
@flow(name="workload_rollout", flow_run_name="rollout-{cluster}", **RUNBOOK)
def workload_rollout(
    cluster: ClusterName,
    changes: tuple[Change, ...],
    reason: Reason,
    ticket: Ticket = "",
    mode: Mode = Mode.APPROVE,
    options: RolloutOptions = RolloutOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Changes workloads in groups, and proves each group. If one fails, it puts every workload of the run back.

    Args:
        cluster: name of the cluster's profile
        changes: what to change in which workload
        reason: why; kept in the workloads' annotations and in the report
        ticket: id of the incident or the change, kept beside the reason
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the rollout may do, and how long it may take
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        request = RolloutRequest(changes=changes, reason=reason, ticket=ticket, run_id=run.run_id)
        facts = run.step(ask_registries, cluster, request, run.step(observe_rollout, cluster, request), options)
        plan = run.settle(plan_rollout(facts, request, options), mode, approve_within, choices=options.choices)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_rollout_plan(plan))
        objects = [(one.namespace, one.workload) for one in request.refs]
        respect = options.respect_cluster_lock
        with objects_locked(cluster, run.run_id, run.holder, objects, respect_cluster=respect) as check:
            done = roll_out(run, request, facts, options, check)
        return run.finish(*summarize_rollout(done))
