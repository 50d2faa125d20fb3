"""Decides what the checks of the profile say about restored data: before the restore, and after it."""

import shlex
from collections.abc import Collection, Iterator, Sequence

from tasks.core.models.findings import Finding, cautioned, listed
from tasks.core.models.plan import Step
from tasks.core.models.profile import VolumeCheck
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.probes.hooks import Ended
from tasks.volumes_restore.models.checks import Checked


def checks_of(checks: Sequence[VolumeCheck], claims: Collection[str]) -> list[VolumeCheck]:
    """Returns the checks of the namespaces of the claims."""
    spaces = {one.partition("/")[0] for one in claims}
    return [one for one in checks if one.namespace in spaces]


def why_not_run(pod: HookPod) -> str:
    """Returns why a check cannot run in a pod; empty if it can."""
    if pod.container not in pod.containers:
        return f"the pod has no container {pod.container}, it has {listed(pod.containers)}"
    if not pod.container_id:
        return f"the container does not run (phase {pod.phase or 'unknown'})"
    return pod.problem


def problem_of(ended: Ended | str) -> str:
    """Returns what the end of a check means; empty if it succeeded."""
    if ended is Ended.PASSED:
        return ""
    if ended is Ended.GONE:
        return "the container does not run any more"
    return f"it ended with {ended}" if ended else "its node says nothing of its end"


def findings_before(now: Checked) -> Iterator[Finding]:
    """Returns what the checks say of the data before the restore: one that fails now may fail afterwards for another reason."""
    for one in now.runs:
        if one.problem:
            yield cautioned(
                one.pod,
                f"{one.name} fails before the restore too: {one.problem}",
                "if the data is not the reason, correct volumes.checks of the profile",
            )
    for name in now.unused:
        yield cautioned(
            f"check {name}",
            "no pod that fits it uses a claim of this restore now, so it is not seen to succeed before",
            "if a pod should fit it, correct its labels in volumes.checks of the profile",
        )


def step_of_check(one: VolumeCheck) -> Step:
    """Returns the line of the plan."""
    return Step(
        subject=f"check {one.namespace}/{one.name}",
        act=f"when the pods are ready, run `{shlex.join(one.command)}` in the container {one.container} of each pod in {one.namespace} "
        f"with {one.labels} that uses a restored claim",
        reason="volumes.checks of the profile prove the data by it",
    )


def failures_of(after: Checked, *, has_pods: bool) -> list[str]:
    """Returns what does not prove the data after the restore.

    Without a workload that uses the claims nothing can be checked yet: the report says so.
    """
    failed = [f"{one.name}: {one.problem}" for one in after.runs if one.problem]
    return [*failed, *(unused_words(name) for name in after.unused if has_pods)]


def unused_words(name: str) -> str:
    """Returns why a check proves nothing."""
    return f"the check {name} fits no pod that uses a restored claim"
