"""Makes pods of its own for the checks of claims that were restored beside the old ones, runs the checks there, and removes the pods."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from tasks.clients.kube import Conflicted, KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import CommandFailed, NotYet, Refused, TimedOut, in_one_line
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.models.profile import VolumeCheck
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.probes.hooks import parse_pod
from tasks.volumes_restore.checks import run_check
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.checks import TRIAL, Checked, CheckRun, LeftPod, Trial
from tasks.volumes_restore.models.facts import VolumeRestoreFacts, VolumeRestorePlan
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import names_of
from tasks.volumes_restore.policy.trials import causes_of, of_claims, pods_of_templates, trials_of
from tasks.volumes_restore.probes.trials import parse_left, parse_trial, why_ended
from tasks.workloads.models.names import Kind, collection
from tasks.workloads.models.state import Cause

JSON = dict[str, Any]

GONE_WITHIN = timedelta(minutes=2)
"""Limits the wait until a pod of a check is gone."""


def read_trials(kube: KubeClient, facts: VolumeRestoreFacts, options: VolumeRestoreOptions) -> tuple[Trial, ...]:
    """Returns the pods that the checks need for claims that are restored beside the old ones, each tried by a dry run."""
    names = {one.id: names_of(facts.backup, one, options).name for one in facts.claims}
    return tuple(_tried(kube, *pair) for pair in _trials(kube, facts.checks, names, facts.backup, options))


def _trials(
    kube: KubeClient,
    checks: Iterable[VolumeCheck],
    names: Mapping[str, str],
    backup: str,
    options: VolumeRestoreOptions,
) -> list[tuple[Trial, JSON]]:
    return [
        pair
        for one in checks
        for pair in trials_of(one, _to_copy(kube, one, names), names, backup, options.start_within)
    ]


def _to_copy(kube: KubeClient, check: VolumeCheck, names: Mapping[str, str]) -> list[JSON]:
    """Returns the pods whose container a check names, then those that stopped workloads would have."""
    pods = kube.items(_pods(check.namespace), labelSelector=check.labels)
    workloads = [raw for kind in Kind for raw in kube.items(collection(check.namespace, kind.plural))]
    return [
        *sorted(pods, key=lambda raw: str(raw["metadata"]["name"])),
        *pods_of_templates(check, workloads, names.keys()),
    ]


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _tried(kube: KubeClient, trial: Trial, body: JSON) -> Trial:
    """Asks the API server whether it takes the pod: rights, Pod Security, quotas, webhooks. The name of an interrupted run may be taken."""
    if trial.problem:
        return trial
    named = body | {"metadata": body["metadata"] | {"name": f"{trial.name}-tried"}}
    answer = kube.try_create(_pods(trial.check.namespace), named)
    if answer.is_fine:
        return trial
    return trial.model_copy(update={"problem": f"the API server does not take it: {in_one_line(answer.message)}"})


def read_left(kube: KubeClient, claims: Collection[str]) -> tuple[LeftPod, ...]:
    """Returns the pods that restores of these claims made for checks."""
    spaces = sorted({one.partition("/")[0] for one in claims})
    found = [parse_left(raw) for space in spaces for raw in kube.items(_pods(space), labelSelector=TRIAL)]
    return of_claims(found, claims)


def run_trials(handle: Cluster, job: Job, plan: VolumeRestorePlan, options: VolumeRestoreOptions) -> Checked:
    """Removes what interrupted runs left, then runs the checks of the plan, one after another: a claim may take only one pod.

    The locks of the claims say that no other run needs such a pod.
    """
    problems: list[str] = []
    ours = {one.uid for one in plan.left}
    names = {one.name for one in plan.trials}  # of an earlier attempt of this run
    for one in read_left(job.kube, plan.locked_claims):
        if one.uid not in ours and one.name not in names:
            continue
        job.check()
        _remove(job.kube, one, problems)
    if not plan.trials:
        return Checked(left=tuple(problems))
    claims = {one.id: one.name for one in plan.targets} | dict(plan.restored)
    checks = {one.check.name: one.check for one in plan.trials}.values()
    now = {trial.name: (trial, body) for trial, body in _trials(job.kube, checks, claims, plan.backup, options)}
    runs = tuple(_run(handle, job, one, now.get(one.name), options, problems) for one in plan.trials)
    return Checked(runs=runs, left=tuple(problems))


def _run(  # noqa: PLR0913, PLR0917 - what one check is
    handle: Cluster,
    job: Job,
    trial: Trial,
    now: tuple[Trial, JSON] | None,
    options: VolumeRestoreOptions,
    problems: list[str],
) -> CheckRun:
    made = CheckRun(check=trial.check.name, pod=trial.id, container=trial.check.container, claims=trial.mounted)
    if now is None or now[0].digest != trial.digest:
        return made.model_copy(update={"problem": "the pods that it fits are no longer those of the plan"})
    job.check()
    try:
        with _pod(job.kube, trial, now[1], options.start_within, problems) as pod:
            done = run_check(handle, trial.check, pod)
    except (Refused, TimedOut, CommandFailed) as error:
        return made.model_copy(update={"problem": in_one_line(error.problem)})
    return made.model_copy(update={"problem": done.problem})


@contextmanager
def _pod(kube: KubeClient, trial: Trial, body: JSON, limit: timedelta, problems: list[str]) -> Iterator[HookPod]:
    """Makes the pod, waits until its container runs, and removes it in any case. Why it could not be removed is added to `problems`."""
    try:
        made = parse_left(kube.create(_pods(trial.check.namespace), body))
    except Conflicted:
        raise Refused(f"there is another pod {trial.name}, and its own pod has that name") from None
    log_about(trial.id).info("created, with %s", listed(trial.mounted))
    try:
        yield _wait_running(kube, trial, made, limit)
    finally:
        _remove(kube, made, problems)


def _wait_running(kube: KubeClient, trial: Trial, made: LeftPod, limit: timedelta) -> HookPod:
    """Waits until the container runs. `Refused` if the pod has ended, or if it will not start by itself."""
    path, events = f"{_pods(made.namespace)}/{made.name}", f"/api/v1/namespaces/{made.namespace}/events"
    since: dict[Cause, float] = {}

    def look() -> HookPod:
        raw = kube.find(path)
        if raw is None or parse_left(raw).uid != made.uid:
            raise Refused("somebody deleted its pod")
        pod = parse_pod(raw, trial.check)
        if pod.phase == "Running" and pod.container_id:
            return pod
        about = {"fieldSelector": f"involvedObject.uid={made.uid},type=Warning"}
        seen = parse_trial(raw, kube.items(events, **about))
        if ended := why_ended(seen):
            raise Refused(f"its pod does not stay: {ended}")
        now = time.monotonic()
        told, is_final = causes_of(seen, lambda cause: timedelta(seconds=now - since.setdefault(cause, now)))
        problem = f"its pod does not start: {told or f'phase {pod.phase}'}"
        if is_final:
            raise Refused(problem)
        raise NotYet(problem)

    return wait_for(look, limit, what="the pod of the check to run", about=trial.id)


def _remove(kube: KubeClient, one: LeftPod, problems: list[str]) -> None:
    """Removes this very pod, and waits until it is gone. A finalizer of somebody else may hold it: that is told, and nothing is forced."""
    path = f"{_pods(one.namespace)}/{one.name}"

    def look() -> None:
        raw = kube.find(path)
        now = parse_left(raw) if raw else None
        if now is not None and now.uid == one.uid:
            held = f"its finalizers hold it: {listed(now.finalizers)}" if now.finalizers else "it still exists"
            raise NotYet(f"pod {one.id}: {held}", hint=f"kubectl -n {one.namespace} describe pod {one.name}")

    try:
        kube.delete(path, {"preconditions": {"uid": one.uid}})
        wait_for(look, GONE_WITHIN, what="the pod of the check to be gone", about=one.id)
    except (Refused, NotYet) as error:
        log_about(one.id).warning("the pod of the check is not gone: %s", error.problem)
        problems.append(in_one_line(error.problem))
