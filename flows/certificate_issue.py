"""Issues CAs and certificates for a new control plane node or an external etcd. It needs no API."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.certificate_issue.models import IssueRequest, completed
from tasks.certificate_issue.observe import observe_issue
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificate_issue.steps import issue_certificates, prove_issued
from tasks.certificate_issue.summary import summarize_issue, summarize_issue_plan
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
@flow(name="certificate_issue", flow_run_name="issue-{cluster}", **RUNBOOK)
def certificate_issue(
    cluster: ClusterName,
    request: IssueRequest,
    mode: Mode = Mode.APPROVE,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Makes the files that kubeadm would make on these machines and that are missing. A CA that exists stays and signs.

    It restarts nothing. A running process reads the new files at its next start.

    Args:
        cluster: name of the cluster's profile; the machines must be listed in its nodes
        request: the machines, and the names and addresses that their certificates must contain
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_issue, cluster, request)
        records = run.step(observe_records, cluster)
        request = completed(request, facts)
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
