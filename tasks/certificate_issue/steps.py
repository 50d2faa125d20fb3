"""Certificates from nothing: CAs in the worker's memory, keys of leaves on their machines, over SSH alone.

What has to be the same on several machines (the keys of CAs and of service accounts) passes through the worker's memory, once,
and goes to machines by standard input. All other keys are made where they are used, and stay there.
"""

from prefect import task

from tasks.certificate_issue.issue import issue_on_all, prove_on_all
from tasks.certificate_issue.models import IssuedAll, IssuePlan, IssueRequest
from tasks.cluster import open_cluster
from tasks.core.retries import ACT, OBSERVE
from tasks.run.locks import Check


@task(**ACT, task_run_name="issue-{cluster}")
def issue_certificates(cluster: str, plan: IssuePlan, request: IssueRequest, run_id: str, check: Check) -> IssuedAll:
    """Makes what is missing, and puts it in place on all machines at once.

    It looks again before: what an earlier try has put on one machine of a new CA is resumed, and nothing is done that
    the plan had not.
    """
    return issue_on_all(open_cluster(cluster), plan, request, run_id, check)


@task(**OBSERVE, task_run_name="prove-issued-{cluster}")
def prove_issued(cluster: str, request: IssueRequest) -> tuple[str, ...]:
    """Looked at again, nothing is left to do; and openssl of each machine finds every certificate good for what it is for."""
    return prove_on_all(open_cluster(cluster), request)
