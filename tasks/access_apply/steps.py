"""Contains the Prefect tasks: they compare, apply, delete, and prove."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.access.policy_file import read_policy
from tasks.access_apply.act import apply_change, delete_change
from tasks.access_apply.models import Act, Applied, ApplyOptions, Change, Comparison, Proven
from tasks.access_apply.observe import compare_access
from tasks.access_apply.policy.plan import planned
from tasks.access_apply.policy.proof import prove
from tasks.clients.kube import KubeClient
from tasks.cluster import open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.logs import log_about
from tasks.core.models.findings import Problem
from tasks.core.retries import ACT, OBSERVE
from tasks.core.settings import Settings
from tasks.run.locks import Check

PROOF_LIMIT = timedelta(minutes=1)
"""Limits the wait until the API server has read the new rules; that takes less than a second."""

LOCK = ("kube-system", "access")
"""Names the lock: one run at a time gives or takes access."""


@task(**OBSERVE, task_run_name="compare-access-{cluster}")
def compare_with_policy(cluster: str, options: ApplyOptions) -> Comparison:
    """Compares the objects in the cluster with those of its access policy. Every change that it sends is a dry run."""
    policy = read_policy(Settings().clusters, cluster)
    if policy is None:
        return Comparison(observed_at=datetime.now(UTC), policy=None)
    return compare_access(open_cluster(cluster).kube, policy, remove=options.remove)


@task(**ACT, task_run_name="apply-access-{cluster}")
def apply_access(cluster: str, found: Comparison, options: ApplyOptions, check: Check) -> Applied:
    """Creates and changes objects, in the order in which the API server can take them."""
    changes = [one for one in planned(found, options) if one.act is not Act.DELETE]
    return _each(cluster, changes, apply_change, check)


@task(**ACT, task_run_name="delete-access-{cluster}")
def delete_access(cluster: str, found: Comparison, options: ApplyOptions, check: Check) -> Applied:
    """Deletes what the policy no longer has, after the proof that its rights hold."""
    changes = [one for one in planned(found, options) if one.act is Act.DELETE]
    if changes:
        _prove(cluster, found, options, deletes=False)
    return _each(cluster, changes, delete_change, check)


@task(**OBSERVE, task_run_name="prove-access-{cluster}")
def prove_access(cluster: str, found: Comparison, options: ApplyOptions) -> Proven:
    """Reads all objects back, and asks the API server about each cell of the matrix.

    `TimedOut` says what is not as the policy wants. Cells of which the plan said that they will still fail may fail.
    """
    return _prove(cluster, found, options, deletes=options.remove)


def _prove(cluster: str, found: Comparison, options: ApplyOptions, *, deletes: bool) -> Proven:
    kube, policy = open_cluster(cluster).kube, found.policy

    def look() -> Proven:
        if policy is None:
            return Proven(same=0, holding=0)
        proven = prove(compare_access(kube, policy, remove=options.remove), found.stay, deletes=deletes)
        if isinstance(proven, Problem):
            raise NotYet(proven.text, hint=proven.next_step)
        return proven

    return wait_for(look, PROOF_LIMIT, what="the API server to answer as the policy says", about=cluster)


def _each(cluster: str, changes: Sequence[Change], act: Callable[[KubeClient, Change], bool], check: Check) -> Applied:
    kube = open_cluster(cluster).kube
    done, already = [], []
    for change in changes:
        check()
        if act(kube, change):
            done.append(f"{change.act} {change.place.label}")
            log_about(change.place.label).info("%s: done", change.act)
        else:
            already.append(change.place.label)
    return Applied(done=tuple(done), already=tuple(already))
