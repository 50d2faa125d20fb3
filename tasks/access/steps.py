"""Contains the Prefect tasks of an audit: it reads, compares, and publishes. Only its canary changes something in the cluster."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from prefect import task

from tasks.access import observe
from tasks.access.logins import read_logins
from tasks.access.models.audit import Audit, Finding, Judged, Previous
from tasks.access.models.options import AuditOptions
from tasks.access.models.policy import AccessPolicy
from tasks.access.models.resources import Served
from tasks.access.models.rights import Rbac
from tasks.access.policy import credentials, findings, images, known, pods
from tasks.access.policy.absent import find_absent
from tasks.access.policy.apis import Deprecated, api_table, find_deprecated
from tasks.access.policy.logins import find_logins, not_decided
from tasks.access.policy.matrix import cells_of
from tasks.access.policy.metrics import to_prometheus
from tasks.access.policy.networks import find_leaks, find_leftovers, find_networks, not_evaluated
from tasks.access.policy.pull_secrets import find_pull_secrets
from tasks.access.policy.rbac import subjects_of
from tasks.access.policy.sample import choose
from tasks.access.policy_file import read_policy
from tasks.access.pulls import look_at_pulls
from tasks.access.tables import show_findings
from tasks.certificates.observe import look_at_certificates
from tasks.cluster import Cluster, open_cluster
from tasks.core.errors import RunbookError
from tasks.core.logs import log_about
from tasks.core.models.report import Report
from tasks.core.retries import ACT, OBSERVE
from tasks.core.settings import Settings
from tasks.network_policy.canary import read_leftovers, try_canary
from tasks.network_policy.enforcement import look_at_enforcement
from tasks.network_policy.models import Canary, Enforcement
from tasks.network_policy.observe import read_networks
from tasks.pod_security.observe import look_at_pods, read_minor
from tasks.run.models.lock import Holder
from tasks.run.object_locks import objects_locked
from tasks.run.reports import read_kept, report_prefix

RUNBOOK = "access_audit"
METRICS = "access.prom"

LOCK = ("kube-system", "network-canary")
"""Allows one canary at a time: so what another one left may be removed."""


@task(**ACT, task_run_name="try-network-{cluster}")
def try_network(cluster: str, options: AuditOptions, run_id: str, holder: Holder) -> Canary:
    """Makes two pods, tries whether the network enforces a policy between them, and removes everything.

    What keeps it from that is the reason in the result. The audit goes on.
    """
    try:
        with objects_locked(cluster, run_id, holder, [LOCK]) as check:
            image, timeout = options.canary_image, options.canary_timeout
            return try_canary(open_cluster(cluster), run_id, image=image, timeout=timeout, check=check)
    except RunbookError as error:
        return Canary(enforcement=Enforcement(reason=error.problem))


@task(**OBSERVE, task_run_name="audit-access-{cluster}")
def audit_access(cluster: str, run_id: str, canary: Canary | None = None) -> Audit:
    """Reads all access rules, finds what nobody should have without a reason, and checks the policy's matrix.

    It compares the findings with the newest report of another run.
    """
    handle, policy = open_cluster(cluster), read_policy(Settings().clusters, cluster)
    return audit_cluster(handle, policy, find_previous(handle, run_id), canary)


def audit_cluster(
    handle: Cluster, policy: AccessPolicy | None, previous: Previous | None, canary: Canary | None = None
) -> Audit:
    """Audits the access of a cluster, as it is now."""
    kube, now = handle.kube, datetime.now(UTC)
    rbac = observe.read_rbac(kube)
    samples = observe.check_sample(kube, rbac, choose(rbac, now.isoformat()))
    masters, unread = _masters(handle)
    served, minor = observe.read_apis(kube), read_minor(kube)
    workloads = observe.read_workloads(kube, minor)
    logins, security = read_logins(handle), look_at_pods(kube, workloads.judged)
    pulls = look_at_pulls(handle, workloads.namers)
    deprecated, unasked = _deprecated(handle, served)
    networks = read_networks(kube, workloads.pods)
    enforcement = look_at_enforcement(handle, networks, partial(read_networks, kube))
    found: list[Finding] = [
        *findings.find_rights(rbac),
        *findings.find_everyone(rbac),
        *findings.find_disagreements(samples),
        *find_absent(rbac, observe.read_accounts(kube)),
        *find_deprecated(deprecated, minor),
        *credentials.find_tokens(observe.read_tokens(kube)),
        *masters,
        *find_logins(logins),
        *pods.find_pods(security),
        *images.find_images(security.workloads, policy.registries if policy else ()),
        *find_networks(networks),
        *find_leaks(enforcement, canary),
        *find_leftovers(read_leftovers(kube), now),
        *find_pull_secrets(pulls),
    ]
    accepted = policy.accepted if policy else ()
    judged = known.accept(found, accepted, today=now.date())
    marked, gone = known.compare(judged, previous.ids) if previous else (judged, ())
    return Audit(
        observed_at=now,
        bindings=len(rbac.bindings),
        subjects=len({one for binding in rbac.bindings for one in subjects_of(binding)}),
        findings=marked,
        gone=gone,
        compared_with=previous.run_id if previous else "",
        sampled=len(samples),
        has_policy=policy is not None,
        unused=known.unused(found, accepted),
        cells=check_matrix(handle, policy, rbac) if policy else (),
        not_checked=(
            *unread,
            *logins.unread,
            *not_decided(logins.servers),
            *pods.not_checked(security),
            *unasked,
            *not_evaluated(networks, enforcement, canary),
            *pulls.not_checked,
        ),
        apis=dict(api_table(served)),
        enforcement=enforcement,
        canary=canary,
    )


def check_matrix(handle: Cluster, policy: AccessPolicy, rbac: Rbac) -> tuple[Judged, ...]:
    """Asks the API server about each cell of the policy's matrix."""
    kube = handle.kube
    resources, namespaces = observe.read_resources(kube), observe.read_namespaces(kube)
    return observe.judge_cells(kube, cells_of(policy, resources, namespaces, rbac))


def find_previous(handle: Cluster, run_id: str) -> Previous | None:
    """Returns the findings of the newest audit of another run in the bucket; None if there is none."""
    store = handle.store
    stored = (one.key for one in store.objects(report_prefix(store, handle.profile.name, RUNBOOK)))
    for key in sorted((one for one in stored if one.endswith(".json")), reverse=True):
        report = None if run_id in key else read_kept(store, key, Report)
        for done in report.done if report else ():
            if done.step == "audit access" and report and (ids := known.ids_in(done.evidence)) is not None:
                return Previous(report.run_id, ids)
    return None


@task(**ACT, task_run_name="publish-audit-{cluster}")
def publish_audit(cluster: str, audit: Audit) -> None:
    """Publishes the table in the Prefect UI, and saves the text file for Prometheus to the bucket."""
    store = open_cluster(cluster).store
    show_findings(cluster, audit)
    key = store.key(cluster, "metrics", METRICS)
    store.put(key, to_prometheus(audit, cluster).encode(), "text/plain; version=0.0.4")
    log_about(cluster).info("%d findings; for Prometheus: %s", len(audit.findings), store.uri(key))


def _masters(handle: Cluster) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Returns the certificates of system:masters on the nodes, and which nodes were not checked."""
    if not (handle.profile.ssh and handle.profile.nodes):
        return (), ("certificates of system:masters: the profile has no ssh and nodes, so files were not read",)
    nodes = look_at_certificates(handle)
    return tuple(credentials.find_masters(nodes)), credentials.unreached(nodes)


def _deprecated(handle: Cluster, served: Sequence[Served]) -> tuple[tuple[Deprecated, ...], tuple[str, ...]]:
    """Returns the deprecated versions that are used, or why nobody knows: not everybody may read the metrics."""
    try:
        return observe.read_deprecated(handle.kube, served), ()
    except RunbookError as error:
        return (), (f"deprecated versions of the API that are still used: {error.problem}",)
