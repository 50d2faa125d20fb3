"""Provides the tasks for certificates from nothing. They use only SSH.

The keys that several machines share (those of CAs and of service accounts) pass once through the Prefect worker's memory.
They reach machines through standard input. All other keys are made where they are used, and stay there.
"""

from prefect import task

from tasks.certificate_issue.issue import issue_on_all, prove_on_all
from tasks.certificate_issue.models import IssuedAll, IssuePlan, IssueRequest
from tasks.cluster import open_cluster
from tasks.core.retries import ACT, OBSERVE
from tasks.run.locks import Check


@task(**ACT, task_run_name="issue-{cluster}")
def issue_certificates(cluster: str, plan: IssuePlan, request: IssueRequest, run_id: str, check: Check) -> IssuedAll:
    """Makes what is missing and puts it in place on all machines at once.

    It reads the machines again first. If an earlier attempt has put a new CA on one machine, it resumes with that CA.
    It does nothing that is not in the plan.
    """
    return issue_on_all(open_cluster(cluster), plan, request, run_id, check)


@task(**OBSERVE, task_run_name="prove-issued-{cluster}")
def prove_issued(cluster: str, request: IssueRequest) -> tuple[str, ...]:
    """Reads all machines again and verifies that no work is left.

    The openssl of each machine must also find every certificate valid for its purpose.
    """
    return prove_on_all(open_cluster(cluster), request)
