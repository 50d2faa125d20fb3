"""Gives a person access: a credential by the access policy, proven and delivered."""

from datetime import UTC, datetime

from prefect import flow

from tasks.access_apply.steps import LOCK, apply_access
from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.object_locks import objects_locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook
from tasks.user_access.models.grant import GrantOptions, UserName
from tasks.user_access.policy.plan import KEEP, plan_grant
from tasks.user_access.steps import (
    give_credential,
    observe_user,
    people_of,
    remove_leftovers,
    remove_previous,
)
from tasks.user_access.summary import summarize_grant, summarize_grant_plan


@ends_in_words
@flow(name="user_access", flow_run_name="access-{cluster}-{user}", **RUNBOOK)
def user_access(
    cluster: ClusterName,
    user: UserName,
    mode: Mode = Mode.APPROVE,
    options: GrantOptions = GrantOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Gives a user of the access policy a kubeconfig that was proven by a login, encrypted for the user alone.

    Args:
        cluster: name of the cluster's profile
        user: name of the user in the access policy
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: who asks, and how the credential is made
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_user, cluster, user, options)
        plan = plan_grant(facts, options, mode=mode, run_id=run.run_id, now=datetime.now(UTC))
        plan = run.settle(plan, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_grant_plan(facts, plan))
        people = people_of(facts.login, options, run.report.approval, run.run_id)
        with objects_locked(cluster, run.run_id, run.holder, [LOCK]) as check:
            run.step(apply_access, cluster, facts.objects, KEEP, check)
            left = run.step(remove_leftovers, cluster, user, check)
            granted = run.step(give_credential, cluster, facts, options, people, check)
            removed = run.step(remove_previous, cluster, user, options, people, check)
        return run.finish(*summarize_grant(granted, left, removed))
