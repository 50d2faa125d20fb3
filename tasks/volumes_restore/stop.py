"""Stops workloads and starts them again. The replicas are in an annotation, written together with the 0."""

from datetime import timedelta
from typing import Any

from tasks.clients.kube import Conflicted, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.volumes.probes.objects import VOLUMES, parse_volume
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.facts import REPLACED, REPLICAS, User, VolumeRestorePlan
from tasks.volumes_restore.observe import read_node, read_pods, read_users
from tasks.volumes_restore.policy.archives import what_is_gone, why_no_pod_starts
from tasks.volumes_restore.probes.users import Scaled, parse_scaled, users_of
from tasks.workloads.observe import read_workload, status_of
from tasks.workloads.policy.causes import causes_in_words

JSON = dict[str, Any]

AGAIN = "run this again: it makes a new plan"


def stop(job: Job, user: User) -> bool:
    """Scales a workload to 0, and notes its replicas in the same write; returns False if an earlier attempt has.

    Raises `Refused` if it is another one than in the plan, or if something forbids it now.
    """
    if user.ref is None:
        raise Refused(f"{user.name}: it cannot be stopped", hint=AGAIN)
    now = _again(job.kube, user)
    if now.problem:
        raise Refused(f"{user.name}: {now.problem.text}", hint=now.problem.next_step)
    raw = job.kube.get(user.ref.path)
    scaled = parse_scaled(raw)
    if scaled.recorded is not None and scaled.replicas == 0:
        return False
    _write(job, user, scaled, {"replicas": 0}, str(scaled.wanted))
    log_about(user.name).info("replicas: %d -> 0", scaled.replicas)
    return True


def _again(kube: KubeClient, user: User) -> User:
    claims = [tuple(one.split("/", 1)) for one in user.claims]
    found = read_users(kube, [(one[0], one[1]) for one in claims])
    now = next((one for one in found if one.name == user.name), None)
    if now is None or now.uid != user.uid:
        raise Refused(f"{user.name}: it is no longer that of the plan", hint=AGAIN)
    return now


def _write(job: Job, user: User, seen: Scaled, spec: JSON, note: str | None) -> None:
    """Writes replicas and note together, unless somebody wrote the workload since it was seen; None removes the note."""
    if user.ref is None:
        return
    job.check()
    meta = {"uid": user.uid, "resourceVersion": seen.version, "annotations": {REPLICAS: note}}
    try:
        job.kube.patch(user.ref.path, {"metadata": meta, "spec": spec})
    except Conflicted as error:
        raise NotYet(f"{user.name}: somebody wrote it meanwhile: {error.problem}", hint="it is tried again") from None


def check_nodes(kube: KubeClient, plan: VolumeRestorePlan) -> None:
    """Looks again before anything is stopped: pods must be able to start on the nodes of the new folders. `Refused` if not."""
    for one in plan.archives:
        if not one.is_switched or one.new_volume:  # it has begun, and going on is better than to stay in the middle
            continue
        node = read_node(kube, one.record.node)
        terms = parse_volume(kube.get(f"{VOLUMES}/{one.volume}")).node_terms
        pods = users_of(read_pods(kube, one.record.namespace), [one.record.claim])
        problem = why_no_pod_starts(node, terms, pods) if node else what_is_gone(one.record)
        if problem:
            raise Refused(f"{one.id}: {problem.text}", hint=problem.next_step)


def wait_stopped(kube: KubeClient, plan: VolumeRestorePlan, limit: timedelta) -> None:
    """Waits until no pod uses the claims that are switched."""
    if plan.to_free:
        wait_for(lambda: _look(kube, plan), limit, what="the pods to stop", about=plan.backup)


def check_nobody(kube: KubeClient, plan: VolumeRestorePlan) -> None:
    """Looks again right before the old claims are removed."""
    _look(kube, plan)


def _look(kube: KubeClient, plan: VolumeRestorePlan) -> None:
    left: list[str] = []
    for namespace in sorted({one.record.namespace for one in plan.to_free}):
        claims = [one.record.claim for one in plan.to_free if one.record.namespace == namespace]
        left += [f"{namespace}/{one.name}" for one in users_of(read_pods(kube, namespace), claims)]
    if left:
        verb = "uses" if len(left) == 1 else "use"
        raise NotYet(
            f"{listed(left)} still {verb} the claims",
            hint=f"kubectl describe pod of {left[0]} shows what it waits for",
        )


def start(job: Job, user: User) -> bool:
    """Scales a workload back, and removes the note; returns False if somebody else had scaled it meanwhile.

    Raises `Refused` if it is still stopped, and the note of its replicas is gone.
    """
    if user.ref is None:
        return False
    raw = job.kube.find(user.ref.path)
    if raw is None:
        raise Refused(f"{user.name}: it was deleted meanwhile", hint="create it again: its claims have the new volumes")
    scaled = parse_scaled(raw)
    if scaled.recorded is None:
        if user.replicas and not scaled.replicas:
            raise Refused(
                f"{user.name}: it has 0 replicas, and the note that it had {user.replicas} is gone",
                hint=f"kubectl -n {user.ref.namespace} scale {user.ref.workload} --replicas={user.replicas}; then {AGAIN}",
            )
        return True  # an earlier attempt has started it
    ours = scaled.replicas == 0
    _write(job, user, scaled, {"replicas": scaled.recorded} if ours else {}, None)
    log_about(user.name).info("replicas: %d -> %d", scaled.replicas, scaled.recorded if ours else scaled.replicas)
    return ours


def wait_ready(kube: KubeClient, user: User, limit: timedelta) -> str:
    """Waits until all pods of a workload are ready."""

    def look() -> str:
        found = read_workload(kube, user.ref) if user.ref else None
        if found is None:
            raise Refused(f"{user.name}: it was deleted meanwhile", hint="create it again")
        status = status_of(kube, found, logs=False)
        if not status.standing.done:
            told = causes_in_words(status.troubles) or f"{status.available} of {status.replicas} pods are available"
            raise NotYet(
                f"{user.name}: {told}",
                hint=f"`kubectl get pv -l {REPLACED}` lists the old volumes; docs/volumes-restore.md says how to take one back",
            )
        return f"{user.name}: {status.available} of {status.replicas} pods are available"

    return wait_for(look, limit, what="the pods to be ready", about=user.name)
