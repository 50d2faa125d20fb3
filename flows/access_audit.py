"""Audits who may do what in a cluster. It changes nothing, unless it makes a canary."""

from prefect import flow

from tasks.access.models.options import AuditOptions
from tasks.access.policy.audit import judge_audit
from tasks.access.steps import audit_access, publish_audit, try_network
from tasks.access.summary import summarize_audit
from tasks.backup.backups import check_store
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="access_audit", flow_run_name="access-{cluster}", **RUNBOOK)
def access_audit(
    cluster: ClusterName,
    options: AuditOptions = AuditOptions(),  # noqa: B008 - frozen
) -> Report:
    """Finds who can do each dangerous thing, and tests the cluster against its access policy. The run is refused if a test fails.

    It is also refused if a finding of severity high is not accepted by the policy.

    Args:
        cluster: name of the cluster's profile
        options: whether the audit makes two pods, to try whether the network enforces NetworkPolicies
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        canary = run.step(try_network, cluster, options, run.run_id, run.holder) if options.canary else None
        audit = run.step(audit_access, cluster, run.run_id, canary)
        run.step(publish_audit, cluster, audit)
        plan = run.settle(judge_audit(audit))
        return run.finish(*summarize_audit(audit, plan))
