"""Runbook: authorities and certificates from nothing, for a new control plane or an external etcd. Needs no API."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.certificate_issue.models import IssueRequest
from tasks.certificate_issue.observe import observe_issue
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificate_issue.steps import issue_certificates, prove_issued
from tasks.certificate_issue.summary import summarize_issue, summarize_issue_plan
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@flow(name="certificate_issue", flow_run_name="issue-{cluster}", **RUNBOOK)
def certificate_issue(
    cluster: ClusterName,
    request: IssueRequest,
    mode: Mode = Mode.APPROVE,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Makes what kubeadm would make on these machines and is not there yet; an authority that is there stays, and signs.

    Nothing is restarted: what runs already reads new files when it starts anew.

    Args:
        cluster: name of the cluster's profile, which has the machines among its nodes
        request: which machines, and the names and addresses that their certificates are to have
        mode: plan shows what would be made; approve waits for a person's word on it, and then does it; apply does it at once
        approve_within: how long mode approve waits, for example 24h; then the run fails, and nothing was touched
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_issue, cluster, request)
        records = run.step(observe_records, cluster)
        plan = plan_issue(facts, request, now=datetime.now(UTC))
        plan = mind_records(plan, records, "certificate_issue", cluster, nodes=request.machines)
        plan = run.settle(plan, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_issue_plan(plan))
        with locked(cluster, run.run_id, run.holder, request.machines, without_api=True) as check:
            run.step(check_records, cluster, "certificate_issue", nodes=request.machines)
            issued = run.step(issue_certificates, cluster, plan, request, run.run_id, check)
            proven = run.step(prove_issued, cluster, request)
        return run.finish(*summarize_issue(issued, proven))
