"""Rolls workloads back, with the ConfigMaps that their pods used then."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.request import Reason, Ticket
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook
from tasks.workloads.groups import roll_back
from tasks.workloads.models.names import NamespaceName, WorkloadName
from tasks.workloads.models.rollback import PREVIOUS, Goal, RollbackOptions, RollbackRequest
from tasks.workloads.policy.rollback import plan_rollback
from tasks.workloads.steps import observe_rollback
from tasks.workloads.summary import summarize_rollback, summarize_rollout_plan


@ends_in_words
@flow(name="workload_rollback", flow_run_name="rollback-{cluster}-{namespace}", **RUNBOOK)
def workload_rollback(
    cluster: ClusterName,
    namespace: NamespaceName,
    workloads: tuple[WorkloadName, ...],
    reason: Reason,
    ticket: Ticket = "",
    to: Goal = PREVIOUS,
    mode: Mode = Mode.APPROVE,
    options: RollbackOptions = RollbackOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Rolls workloads back to a revision or a snapshot, with the ConfigMaps of then, and proves each.

    Args:
        cluster: name of the cluster's profile
        namespace: name of the namespace
        workloads: workloads, for example deployment/web; they go back in reverse order
        reason: why; kept in the workloads' annotations and in the report
        ticket: id of the incident or the change, kept beside the reason
        to: previous, the number of a revision, the id of a run (back to before that run), or the name of a snapshot
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the rollback may do, and how long it may take
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        request = RollbackRequest(
            namespace=namespace, workloads=workloads, to=to, reason=reason, ticket=ticket, run_id=run.run_id
        )
        facts = run.step(observe_rollback, cluster, request)
        plan = run.settle(plan_rollback(facts, request, options), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_rollout_plan(plan))
        objects = [(one.namespace, one.workload) for one in request.refs]
        respect = options.respect_cluster_lock
        with objects_locked(cluster, run.run_id, run.holder, objects, respect_cluster=respect) as check:
            done = roll_back(run, request, facts, options, check)
        return run.finish(*summarize_rollback(done))
