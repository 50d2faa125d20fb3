"""What the machines of a request have, and what openssl there says of it. Changes nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.certificate_issue.models import IssueFacts, IssueRequest
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.probes.verify import verify
from tasks.certificates.observe import look_at_node
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused
from tasks.core.retries import OBSERVE

VERIFY_LIMIT = timedelta(seconds=120)
"""For openssl to judge a dozen certificates."""


@task(**OBSERVE, task_run_name="observe-issue-{cluster}")
def observe_issue(cluster: str, request: IssueRequest) -> IssueFacts:
    """What the machines of a request have; one that the profile does not know is refused."""
    return look_at_request(open_cluster(cluster), request)


def look_at_request(handle: Cluster, request: IssueRequest) -> IssueFacts:
    """All of its machines at once."""
    if unknown := [name for name in request.machines if handle.profile.node(name) is None]:
        raise Refused(f"not in `nodes` of the profile: {', '.join(unknown)}", hint="add them, with the address for SSH")
    return IssueFacts(
        observed_at=datetime.now(UTC),
        folder=handle.profile.kubeadm.folder,
        machines=tuple(on_all(lambda name: look_at_node(handle, name), request.machines)),
    )


def complaints_of_openssl(handle: Cluster, request: IssueRequest) -> Mapping[str, str]:
    """By machine; none where every certificate is good for what it is for."""
    folder = handle.profile.kubeadm.folder

    def judge(name: str) -> str:
        return handle.shell(name).run(verify(folder, leaves_of(request, name)), limit=VERIFY_LIMIT).strip()

    said = zip(request.machines, on_all(judge, request.machines), strict=True)
    return {name: complaint for name, complaint in said if complaint}
