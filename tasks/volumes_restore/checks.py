"""Runs the checks of the profile in containers, over SSH on their nodes."""

from collections.abc import Collection
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError, in_one_line
from tasks.core.models.profile import VolumeCheck
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.observe import pods_of_hook
from tasks.volumes.policy.hooks import pods_of
from tasks.volumes.probes.hooks import parse_end
from tasks.volumes.scripts.hooks import check_container, lines_of
from tasks.volumes_restore.models.checks import Checked, CheckRun
from tasks.volumes_restore.policy.checks import checks_of, problem_of, why_not_run

GRACE = timedelta(seconds=10)
"""Is how long after its limit a node may take to end a check."""


def run_checks(handle: Cluster, claims: Collection[str]) -> Checked:
    """Runs each check in each pod that it fits and that uses one of the claims, given as NAMESPACE/NAME."""
    wanted = checks_of(handle.profile.volumes.checks, claims)
    found = [(one, pods_of(one, pods_of_hook(handle, one), claims)) for one in wanted]
    return Checked(
        runs=tuple(on_all(lambda pair: run_check(handle, *pair), [(one, pod) for one, pods in found for pod in pods])),
        unused=tuple(one.name for one, pods in found if not pods),
    )


def run_check(handle: Cluster, check: VolumeCheck, pod: HookPod) -> CheckRun:
    """Runs a check in its container in a pod. What forbids it, or fails, is in the answer."""
    made = CheckRun(check=check.name, pod=pod.id, container=pod.container, problem=why_not_run(pod))
    if made.problem:
        return made
    try:
        script = check_container(pod.container_id, handle.shape(pod.node).kubelet.runtime_endpoint, within=check.limit)
        told = handle.shell(pod.node).run(script, stdin=lines_of(check.command), limit=check.limit + GRACE)
    except RunbookError as error:
        return made.model_copy(update={"problem": in_one_line(error.problem)})
    return made.model_copy(update={"problem": problem_of(parse_end(told))})
