"""Takes the access of a person back."""

from datetime import UTC, datetime

from prefect import flow

from tasks.access_apply.steps import LOCK
from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook
from tasks.user_access.models.grant import UserName
from tasks.user_access.policy.revoke import plan_revoke
from tasks.user_access.steps import check_nothing_left, observe_revocation, take_back
from tasks.user_access.summary import summarize_nothing, summarize_revoke, summarize_revoke_plan


@ends_in_words
@flow(name="user_revoke", flow_run_name="revoke-{cluster}-{user}", **RUNBOOK)
def user_revoke(
    cluster: ClusterName,
    user: UserName,
    mode: Mode = Mode.APPROVE,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Removes everything of ours that gives a user access, and proves that real logins are refused.

    It fails if the user still has access: by a certificate with rights, or by a binding that is not ours.

    Args:
        cluster: name of the cluster's profile
        user: name of the user, also of one that the access policy does not name any more
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_revocation, cluster, user)
        plan = run.settle(plan_revoke(facts, datetime.now(UTC)), mode, approve_within)
        if not plan.steps:
            return run.skip(*summarize_nothing(facts))
        if mode is Mode.PLAN:
            return run.finish(*summarize_revoke_plan(facts, plan))
        with objects_locked(cluster, run.run_id, run.holder, [LOCK]) as check:
            revoked = run.step(take_back, cluster, user, run.run_id, check)
            run.step(check_nothing_left, revoked)
        return run.finish(*summarize_revoke(revoked))
