"""Reads what the machines of a request have, and what their openssl reports about it. It changes nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.certificate_issue.models import API_PORT, IssueFacts, IssueRequest
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.probes.verify import certificates_inside, judged, look_at_kubeconfigs, verify, where
from tasks.certificates.observe import look_at_node
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError
from tasks.core.models.shape import ClusterShape
from tasks.core.retries import OBSERVE

VERIFY_LIMIT = timedelta(seconds=120)
"""Limits the time for openssl to verify a dozen certificates."""


@task(**OBSERVE, task_run_name="observe-issue-{cluster}")
def observe_issue(cluster: str, request: IssueRequest) -> IssueFacts:
    """Reads what the machines of a request have.

    Raises:
        Refused: if the profile does not have one of them.
    """
    handle = open_cluster(cluster)
    return with_words_of_cluster(handle, look_at_request(handle, request))


def look_at_request(handle: Cluster, request: IssueRequest) -> IssueFacts:
    """Reads all machines of a request in parallel.

    Raises:
        Refused: if the profile does not have one of them.
    """
    if unknown := [name for name in request.machines if handle.profile.node(name) is None]:
        raise Refused(f"not in `nodes` of the profile: {', '.join(unknown)}", hint="add them, with the address for SSH")
    return IssueFacts(
        observed_at=datetime.now(UTC),
        folder=handle.profile.kubeadm.folder,
        machines=tuple(on_all(lambda name: look_at_node(handle, name), request.machines)),
        port=handle.profile.kubernetes.port or API_PORT,
    )


def with_words_of_cluster(handle: Cluster, facts: IssueFacts) -> IssueFacts:
    """Returns the facts with the content of kubeadm-config, if an API already answers.

    Then they also have the path of kubeadm's pki folder on each machine.
    """
    shape, problem = _shape_of(handle)
    names = [machine.name for machine in facts.machines]
    places = dict(on_all(lambda name: _place_of_pki(handle, name), names)) if shape else {}
    return facts.model_copy(update={"shape": shape, "shape_problem": problem, "places": places})


def _shape_of(handle: Cluster) -> tuple[ClusterShape | None, str]:
    """Returns the cluster's shape from kubeadm-config, or the reason why it is unknown.

    A cluster that does not exist yet has no API.
    """
    try:
        found = handle.cluster_shape()
    except RunbookError as error:
        return None, error.problem
    return (found, "") if found.service_subnets else (None, "; ".join(found.problems) or "it names no service subnet")


def _place_of_pki(handle: Cluster, name: str) -> tuple[str, str]:
    """Returns the path of kubeadm's pki folder on a machine after all links are followed.

    The result is empty if the machine does not answer. Its certificates report that problem.
    """
    try:
        return name, handle.shell(name).run(where(handle.profile.kubeadm.folder)).strip()
    except RunbookError:
        return name, ""


def complaints_of_openssl(handle: Cluster, request: IssueRequest) -> Mapping[str, str]:
    """Returns openssl's complaints by machine. The result is empty if every certificate is valid for its purpose."""
    folder = handle.profile.kubeadm.folder

    def judge(name: str) -> str:
        shell, leaves = handle.shell(name), leaves_of(request, name)
        inside = certificates_inside(shell.ask(look_at_kubeconfigs(folder, leaves)))
        return shell.run(verify(folder), stdin=judged(leaves, inside), limit=VERIFY_LIMIT).strip()

    said = zip(request.machines, on_all(judge, request.machines), strict=True)
    return {name: complaint for name, complaint in said if complaint}
