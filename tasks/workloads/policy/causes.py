"""Decides why a workload is not finished, and which of the causes are final.

`RULES` is the table: how long each cause is observed before it counts as final, and why.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from tasks.core.models.findings import listed
from tasks.workloads.models.state import Cause, ContainerState, PodState, Trouble, Workload
from tasks.workloads.policy.denials import Denial, denial_of
from tasks.workloads.policy.masking import masked


class Rule(NamedTuple):
    """Says how long a cause is observed before it is final; None waits for the deadline of the rollout."""

    patience: timedelta | None
    why: str


AT_ONCE = timedelta()
MOMENT = timedelta(seconds=5)
SECOND_PULL = timedelta(seconds=12)
ROOM = timedelta(seconds=20)

RULES: Mapping[Cause, Rule] = {
    Cause.CRASH: Rule(AT_ONCE, "it ended twice: the second start had the same image and configuration"),
    Cause.CRASHED_ONCE: Rule(None, "a container may end once because what it needs starts later"),
    Cause.IMAGE_NEVER: Rule(AT_ONCE, "no other attempt has another result: the name or the pull policy forbids it"),
    Cause.IMAGE_MISSING: Rule(SECOND_PULL, "the registry answered; the second pull, after 10 s, asks it again"),
    Cause.IMAGE_PULL: Rule(None, "a registry or a network that does not answer may come back"),
    Cause.CONFIG: Rule(MOMENT, "the kubelet may not have seen a new ConfigMap or Secret yet"),
    Cause.CREATE: Rule(MOMENT, "the runtime refuses the container itself: its command, its user, its mounts"),
    Cause.UNSCHEDULABLE: Rule(ROOM, "pods that stop may make room; it does not count while one of its pods stops"),
    Cause.SCALING: Rule(None, "the autoscaler adds a node, which takes minutes"),
    Cause.QUOTA: Rule(ROOM, "pods that stop free the quota; it does not count while one of its pods stops"),
    Cause.DENIED: Rule(MOMENT, "the API refuses the pod; a ServiceAccount may have been created a moment ago"),
    Cause.WEBHOOK: Rule(ROOM, "the backend of the webhook may be restarting"),
    Cause.VOLUME_MISSING: Rule(SECOND_PULL, "the kubelet tries again after some seconds"),
    Cause.VOLUME: Rule(None, "volumes are provisioned and attached in their own time"),
    Cause.NOT_READY: Rule(None, "a program may take its time until its probe succeeds"),
    Cause.NODE: Rule(None, "it is not about the template: the controller creates another pod"),
    Cause.DEADLINE: Rule(AT_ONCE, "its controller has given up"),
}

ROOM_MAY_COME = frozenset({Cause.UNSCHEDULABLE, Cause.QUOTA})

IMAGE_NEVER = frozenset({"ErrImageNeverPull", "InvalidImageName", "ImageInspectError"})
IMAGE_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
CREATE = frozenset({"CreateContainerError", "RunContainerError", "PostStartHookError"})
ANSWERED = re.compile(
    r"not found|manifest unknown|does not exist|no such (image|manifest)|denied|unauthorized|forbidden|authentication required",
    re.IGNORECASE,
)
"""Matches a registry that answered: the image is not there, or may not be pulled."""

NOT_THERE = re.compile(r"not found|non-existent|references non", re.IGNORECASE)
TIRED = "Unable to attach or mount volumes"
"""Begins what the kubelet says of a volume after two minutes: it names no reason, and an earlier event has it."""

SHOWN = 3
"""Limits how many causes of a workload a sentence names."""

AUTOSCALED = "TriggeredScaleUp"
"""Names the event that the cluster autoscaler writes for a pod for which it adds a node."""

CRASHES = 2
NODE_REASONS = frozenset(
    {"Evicted", "NodeLost", "Shutdown", "Terminated", "NodeShutdown", "Preempting", "NodeAffinity"}
)


def verdict_words(trouble: Trouble) -> str:
    """Says whether the cause is final at once or how long it gets, and why."""
    patience, why = RULES[trouble.cause]
    if patience is None:
        return f"it has until the deadline: {why}"
    return f"it is final: {why}" if not patience else f"it is final after {patience.total_seconds():.0f} s: {why}"


def is_final(trouble: Trouble, seen_for: timedelta, *, pods_leave: bool = False) -> bool:
    """Checks whether a cause that was observed for this long will not go away by itself."""
    patience = RULES[trouble.cause].patience
    if patience is None or (trouble.cause in ROOM_MAY_COME and pods_leave):
        return False
    return seen_for >= patience


def causes_of_failure(final: Sequence[Trouble], troubles: Sequence[Trouble]) -> tuple[Trouble, ...]:
    """Returns the causes to name: the final ones, or all if only the deadline is final, which is no cause by itself."""
    return tuple(one for one in final if one.cause is not Cause.DEADLINE) or tuple(troubles)


def causes_in_words(troubles: Sequence[Trouble]) -> str:
    """Returns the causes as a sentence, each once, however many pods have it; empty if there are none."""
    first = {(each.cause, each.container): each.sentence for each in reversed(troubles)}
    return listed(tuple(first.values())[::-1], SHOWN)


def troubles_of(workload: Workload) -> tuple[Trouble, ...]:
    """Returns every cause that keeps the newest template from running, the gravest first.

    Pods of older templates do not count. Before the controller has seen a change, it is not known which pods these are.
    """
    if workload.observed < workload.generation:
        return ()
    found = [*_of_workload(workload), *(one for pod in workload.new_pods for one in _of_pod(pod))]
    found += [
        one
        for pod in workload.pods
        if pod.is_finished and pod.revision == workload.revision_hash
        for one in _of_ended(pod)
    ]
    return tuple(sorted(found, key=lambda one: _GRAVEST.index(one.cause)))


def troubles_of_pod(pod: PodState) -> tuple[Trouble, ...]:
    """Returns every cause that keeps a pod from running, of any controller or of none."""
    return tuple(_of_pod(pod))


_GRAVEST = tuple(sorted(Cause, key=lambda one: (one is Cause.DEADLINE, RULES[one].patience or timedelta.max)))
"""Orders the causes by patience. The deadline comes last: it says only that there is another cause."""


def _of_workload(workload: Workload) -> Iterator[Trouble]:
    if workload.not_created and len(workload.new_pods) < workload.replicas:
        yield _not_created(workload.not_created)
    if workload.deadline_exceeded:
        yield Trouble(
            cause=Cause.DEADLINE,
            problem=f"it made no progress in {workload.deadline.total_seconds():.0f} s (progressDeadlineSeconds)",
            next_step="the other causes say why",
        )


def _not_created(message: str) -> Trouble:
    said = f"no pod is created: {masked(message)}"
    denial = denial_of(message)
    if denial is Denial.QUOTA:
        return Trouble(cause=Cause.QUOTA, problem=said, next_step="raise the ResourceQuota, or ask for less")
    if denial is Denial.WEBHOOK:
        return Trouble(cause=Cause.WEBHOOK, problem=said, next_step="check the Service and the pods of that webhook")
    return Trouble(cause=Cause.DENIED, problem=said, next_step="correct what the API refuses in spec.template")


def _of_ended(pod: PodState) -> Iterator[Trouble]:
    if pod.reason in NODE_REASONS or pod.disrupted:
        why = ": ".join(part for part in (pod.reason or "disrupted", masked(pod.message or pod.disrupted)) if part)
        yield Trouble(
            cause=Cause.NODE,
            pod=pod.name,
            problem=why,
            next_step="check the node: kubectl describe node",
            since=pod.created,
        )


def _of_pod(pod: PodState) -> Iterator[Trouble]:
    if pod.unscheduled:
        yield _unscheduled(pod)
        return
    found = [one for container in pod.containers for one in _of_container(pod, container)]
    yield from found
    if found:
        return
    if volume := _of_volumes(pod):
        yield volume
    elif not pod.ready and all(one.running for one in pod.containers if not one.init) and pod.containers:
        yield _not_ready(pod)


def _unscheduled(pod: PodState) -> Trouble:
    grows = any(one.reason == AUTOSCALED for one in pod.events)
    return Trouble(
        cause=Cause.SCALING if grows else Cause.UNSCHEDULABLE,
        pod=pod.name,
        problem=f"no node takes it: {pod.unscheduled}" + ("; the autoscaler adds a node" if grows else ""),
        next_step="ask for less, change its nodeSelector, affinity or tolerations, or add a node",
        since=pod.created,
    )


def _of_container(pod: PodState, one: ContainerState) -> Iterator[Trouble]:
    named = "this init container" if one.init else "it"
    said = masked(one.message)

    def trouble(cause: Cause, problem: str, next_step: str) -> Trouble:
        return Trouble(
            cause=cause,
            pod=pod.name,
            container=one.name,
            problem=problem,
            next_step=next_step,
            exit_code=one.exit_code,
            runs_again=one.running,
            since=pod.created,
        )

    if one.waiting in IMAGE_NEVER:
        yield trouble(
            Cause.IMAGE_NEVER,
            f"{one.waiting}: image {one.image}: {said}",
            "correct the image's name, or imagePullPolicy",
        )
    elif one.waiting in IMAGE_PULL and ANSWERED.search(one.message):
        yield trouble(
            Cause.IMAGE_MISSING, f"{one.waiting}: image {one.image}: {said}", "correct the image, or imagePullSecrets"
        )
    elif one.waiting in IMAGE_PULL:
        yield trouble(
            Cause.IMAGE_PULL, f"{one.waiting}: image {one.image}: {said}", "check the registry and the way to it"
        )
    elif one.waiting == "CreateContainerConfigError":
        yield trouble(Cause.CONFIG, f"{one.waiting}: {said}", "create what is missing, or correct the reference")
    elif one.waiting in CREATE:
        yield trouble(Cause.CREATE, f"{one.waiting}: {said}", "correct the command, the user or the mounts")
    elif ended := _ends_of(one):
        code = "" if one.exit_code is None else f" with exit code {one.exit_code}"
        reason = f" ({one.exit_reason})" if one.exit_reason else ""
        times = f", {ended} times" if ended > 1 else ""
        log = f"kubectl logs {pod.name} -c {one.name} --previous"
        cause = Cause.CRASH if ended >= CRASHES else Cause.CRASHED_ONCE
        yield trouble(cause, f"{named} ended{code}{reason}{times}", log)


def _ends_of(one: ContainerState) -> int:
    """Counts how often a container ended that should run.

    An init container that succeeded does not count. A container that runs and is ready has recovered.
    """
    if one.init and one.has_ended and one.exit_code == 0:
        return 0
    down = one.has_ended or one.waiting == "CrashLoopBackOff"
    if not down and (one.ready or not one.restarts):
        return 0
    return one.restarts + (1 if down else 0)


def _of_volumes(pod: PodState) -> Trouble | None:
    told = [one for one in pod.events if one.reason in {"FailedMount", "FailedAttachVolume"}]
    if not told or any(one.running for one in pod.containers):
        return None
    reason = ([one for one in told if not one.message.startswith(TIRED)] or told)[-1]
    message = masked(reason.message)
    missing = NOT_THERE.search(message) is not None
    return Trouble(
        cause=Cause.VOLUME_MISSING if missing else Cause.VOLUME,
        pod=pod.name,
        problem=f"{reason.reason}: {message}",
        next_step="create what is missing, or correct the volume" if missing else "check the volume and its driver",
        since=pod.created,
    )


def _not_ready(pod: PodState) -> Trouble:
    told = [one for one in pod.events if one.reason == "Unhealthy"]
    answer = masked(told[-1].message) if told else pod.unready or "its condition Ready is False"
    return Trouble(
        cause=Cause.NOT_READY,
        pod=pod.name,
        container=told[-1].container if told else "",
        problem=f"it runs and is not ready: {answer}",
        next_step="check what its readiness probe asks for",
        since=pod.created,
    )
