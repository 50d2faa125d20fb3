"""Gives a cluster the access that its policy declares."""

from prefect import flow

from tasks.access_apply.models import ApplyOptions
from tasks.access_apply.policy.plan import plan_apply
from tasks.access_apply.steps import LOCK, apply_access, compare_with_policy, delete_access, prove_access
from tasks.access_apply.summary import summarize_apply, summarize_apply_plan
from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
@flow(name="access_apply", flow_run_name="access-apply-{cluster}", **RUNBOOK)
def access_apply(
    cluster: ClusterName,
    mode: Mode = Mode.APPROVE,
    options: ApplyOptions = ApplyOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Makes the ServiceAccounts, roles and bindings of the access policy, and proves what each subject can do then.

    It changes and deletes only objects that it has made.

    Args:
        cluster: name of the cluster's profile
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the run may do
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        found = run.step(compare_with_policy, cluster, options)
        plan = run.settle(plan_apply(found, options), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_apply_plan(found, plan))
        with objects_locked(cluster, run.run_id, run.holder, [LOCK]) as check:
            applied = run.step(apply_access, cluster, found, options, check)
            deleted = run.step(delete_access, cluster, found, options, check)
            proven = run.step(prove_access, cluster, found, options)
        return run.finish(*summarize_apply(applied, deleted, proven))
