"""Decides which containers are frozen while the snapshots are cut, and what forbids it."""

import shlex
from collections.abc import Collection, Sequence
from datetime import timedelta

from tasks.core.models.findings import Problem, listed, refused
from tasks.core.models.plan import Caution, Refusal, Step
from tasks.core.models.profile import InContainers, VolumeHook
from tasks.core.words import duration_in_words
from tasks.volumes.models.freezes import Freeze, HookPod

NO_HOOKS = "or add --no-use-hooks to take the snapshots without freezing anything"


def freezes_of(hooks: Sequence[VolumeHook], pods: Sequence[HookPod], claims: Collection[str]) -> tuple[Freeze, ...]:
    """Returns what is frozen: the container of each hook in each pod that mounts one of the claims."""
    return tuple(
        _freeze(hook, pod, claims)
        for hook in hooks
        for pod in pods_of(hook, pods, claims)
        if why_not(hook, pod) is None
    )


def pods_of(hook: InContainers, pods: Sequence[HookPod], claims: Collection[str]) -> list[HookPod]:
    """Returns the pods of a hook or a check that mount one of the claims and have not ended."""
    return [one for one in pods if one.hook == hook.name and not one.is_over and set(one.claims) & set(claims)]


def refusals_of(hooks: Sequence[VolumeHook], pods: Sequence[HookPod], claims: Collection[str]) -> list[Refusal]:
    """Returns why containers cannot be frozen: each refuses the run, for nobody wants half of them frozen."""
    found = [(pod, why_not(hook, pod)) for hook in hooks for pod in pods_of(hook, pods, claims)]
    return [refused(pod.id, one.text, f"{one.next_step}, {NO_HOOKS}") for pod, one in found if one]


def why_not(hook: VolumeHook, pod: HookPod) -> Problem | None:
    """Returns why the command cannot run in a pod; None if it can."""
    describe = f"`kubectl -n {pod.namespace} describe pod {pod.pod}` shows why"
    if pod.deleting:
        return _wrong(hook, "the pod is about to be deleted", "wait until it is gone")
    if hook.container not in pod.containers:
        text = f"the pod has no container {hook.container}, it has {listed(pod.containers)}"
        return _wrong(hook, text, f"correct volumes.hooks of the profile: the container of {hook.name}")
    if pod.phase != "Running" or not pod.container_id:
        text = f"its container {hook.container} does not run (phase {pod.phase or 'unknown'})"
        return _wrong(hook, text, describe)
    if not pod.is_ready:
        return _wrong(hook, f"its container {hook.container} is not ready", describe)
    if pod.problem:
        return _wrong(hook, pod.problem, f"correct that on node {pod.node}")
    return None


def _wrong(hook: VolumeHook, text: str, next_step: str) -> Problem:
    return Problem(text=f"the hook {hook.name} cannot freeze it: {text}", next_step=next_step)


def cautions_of(hooks: Sequence[VolumeHook], pods: Sequence[HookPod], claims: Collection[str]) -> list[Caution]:
    """Returns the hooks of the claims' namespaces that fit no pod: a wrong label would go unnoticed otherwise."""
    spaces = {one.partition("/")[0] for one in claims}
    return [
        Caution(
            subject=f"hook {hook.name}",
            problem=f"no pod in {hook.namespace} with {hook.labels} mounts a claim of this backup: it freezes nothing",
            next_step="if one should, correct its labels in volumes.hooks of the profile",
        )
        for hook in hooks
        if hook.namespace in spaces and not pods_of(hook, pods, claims)
    ]


def _freeze(hook: VolumeHook, pod: HookPod, claims: Collection[str]) -> Freeze:
    return Freeze(
        hook=hook.name,
        namespace=pod.namespace,
        pod=pod.pod,
        pod_uid=pod.pod_uid,
        node=pod.node,
        container=pod.container,
        container_id=pod.container_id,
        claims=tuple(sorted(set(pod.claims) & set(claims))),
        freeze=hook.freeze,
        thaw=hook.thaw,
        limit=hook.limit,
    )


def step_of(freeze: Freeze) -> Step:
    """Returns the line of the plan."""
    limit = duration_in_words(freeze.limit)
    return Step(
        subject=f"{freeze.namespace}/{freeze.pod}",
        act=f"while the snapshots are cut, freeze the container {freeze.container}: `{shlex.join(freeze.freeze)}`; "
        f"thaw it after {limit} at the latest: `{shlex.join(freeze.thaw)}`",
        reason=f"it mounts {listed(freeze.claims)}, and the hook {freeze.hook} of the profile fits it",
    )


def window_of(freezes: Sequence[Freeze]) -> timedelta:
    """Returns how long all of them may be frozen together."""
    return min(one.limit for one in freezes)


def is_same(freeze: Freeze, pod: HookPod | None) -> bool:
    """Checks whether a pod still has the container that the plan freezes."""
    return pod is not None and (pod.pod_uid, pod.container_id, pod.node, pod.deleting, pod.is_ready) == (
        freeze.pod_uid,
        freeze.container_id,
        freeze.node,
        False,
        True,
    )


def by_hand(freeze: Freeze, words: Sequence[str]) -> str:
    """Returns how a person runs one of the two commands."""
    return f"kubectl -n {freeze.namespace} exec {freeze.pod} -c {freeze.container} -- {shlex.join(words)}"
