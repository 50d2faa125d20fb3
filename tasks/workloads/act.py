"""Changes workloads, and puts them back. Each write carries the version that was read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from tasks.clients.kube import Conflicted, KubeClient
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.run.locks import Check
from tasks.workloads.models.changes import Change
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.rollout import ROLLOUT, Mark, Rolled, Target
from tasks.workloads.models.state import Workload
from tasks.workloads.observe import with_pods
from tasks.workloads.policy.changes import patch_of
from tasks.workloads.policy.hints import history_shows
from tasks.workloads.policy.history import CAUSE, PERSON, RUN
from tasks.workloads.policy.templates import digest_of_template
from tasks.workloads.probes.targets import containers_of, parse_mark, template_of
from tasks.workloads.snapshots import take_snapshot

JSON = dict[str, Any]
R = TypeVar("R")

TICKET = "kube-runbooks.io/ticket"
TRIES = 5
"""Limits how often a write is repeated because a controller wrote the status of the object meanwhile."""


@dataclass(frozen=True)
class Job:
    """Holds what every act of a run needs."""

    handle: Cluster
    run_id: str
    words: str
    """It says why, for the annotations."""
    check: Check
    ticket: str = ""
    person: str = ""
    timeout: timedelta = timedelta(minutes=15)
    stable_for: timedelta = timedelta(seconds=30)


class Changed(NamedTuple):
    """Says what was changed, and what was there before."""

    rolled: Rolled
    template: str
    """It is the digest of the template after the change."""
    restarts: Mapping[str, int]
    """It maps each container, as `pod uid/name`, to its restarts before the change."""


class Conflict(NotYet):
    """Somebody wrote the object between the read and the write; nothing was changed."""


def retried(act: Callable[[], R]) -> R:
    """Repeats an act that reads and writes an object until no other write comes in between."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except Conflict:
            continue
    return act()


def read(kube: KubeClient, ref: Ref) -> JSON:
    """Reads a workload that has to be there."""
    raw = kube.find(ref.path)
    if raw is None:
        raise Refused(f"{ref.id}: it was deleted meanwhile", hint="create it again, then start a new run")
    return raw


def change_workload(job: Job, change: Change, target: Target) -> Changed:
    """Keeps the workload, then changes it, unless an earlier attempt has.

    Raises:
        Refused: somebody has changed it since the plan, or the API refuses the change.
        NotYet: the API does not answer; if the answer was lost, the next attempt finds out what was done.
    """
    kube = job.handle.kube
    raw = read(kube, change.ref)
    mark = parse_mark(raw)
    if mark and mark.is_written(change.digest, digest_of_template(template_of(raw))):
        log_about(change.ref.id).info("run %s has changed it already; this run resumes it", mark.run)
        if mark.run != job.run_id:
            write_mark(kube, change.ref, mark.model_copy(update={"run": job.run_id}))
        found = Rolled(workload=change.ref.id, changed=False, snapshot=mark.snapshot)
        return Changed(found, digest_of_template(template_of(raw)), {})
    refuse_other(raw, target)
    before = with_pods(kube, change.ref, raw)
    kept = take_snapshot(job.handle, change.ref, raw, before.revision, job.run_id, proven=False)
    mark = Mark(run=job.run_id, change=change.digest, snapshot=kept.key, began=datetime.now(UTC))
    digest = retried(lambda: _patch(job, change, target, mark))
    rolled = Rolled(
        workload=change.ref.id,
        changed=True,
        revision_before=before.revision,
        snapshot=kept.key,
        left_out=kept.left_out,
    )
    return Changed(rolled, digest, restarts_of(before))


def restarts_of(one: Workload) -> dict[str, int]:
    """Returns the restarts of each container, which are not the fault of a change that comes later."""
    return {f"{pod.uid}/{each.name}": each.restarts for pod in one.pods for each in pod.containers}


def refuse_other(raw: JSON, target: Target) -> None:
    """Refuses to change what is not as it was in the plan. Replicas may be others: an autoscaler sets them."""
    uid = (raw.get("metadata") or {}).get("uid")
    if uid != target.uid:
        raise Refused(f"{target.ref.id}: it was deleted and created again since the plan", hint="start a new run")
    if digest_of_template(template_of(raw)) != target.template:
        raise Refused(
            f"{target.ref.id}: somebody changed its template since the plan; this run has not changed it",
            hint=f"{history_shows(target.ref, 'who')}; then start a new run",
        )


def _patch(job: Job, change: Change, target: Target, mark: Mark) -> str:
    kube = job.handle.kube
    raw = read(kube, change.ref)
    refuse_other(raw, target)
    spec = patch_of(change, containers_of(template_of(raw)), f"{mark.began:%Y-%m-%dT%H:%M:%SZ}")
    tried = kube.try_patch(change.ref.path, {"spec": spec}, "strategic")
    digest = digest_of_template(template_of(tried.body if tried.is_fine else raw))
    notes = notes_of_run(job) | {ROLLOUT: mark.model_copy(update={"template": digest}).model_dump_json()}
    metadata = {
        "uid": raw["metadata"]["uid"],
        "resourceVersion": raw["metadata"]["resourceVersion"],
        "annotations": notes,
    }
    body = {"metadata": metadata, "spec": spec}
    job.check()
    send_or_conflict(lambda: kube.patch(change.ref.path, body, "strategic"), kube, change.ref, raw)
    return digest


def notes_of_run(job: Job) -> JSON:
    """Returns the annotations that name the run, the person and the ticket; None removes an older one."""
    return {
        CAUSE: f"kube-runbooks: {job.words}",
        RUN: job.run_id,
        PERSON: job.person or None,
        TICKET: job.ticket or None,
    }


def send_or_conflict(write: Callable[[], object], kube: KubeClient, ref: Ref, raw: JSON) -> None:
    """Writes an object. If the API says that it has changed since it was read, it raises `Conflict`."""
    try:
        write()
    except Conflicted as error:
        if _version(read(kube, ref)) != _version(raw):
            raise Conflict(error.problem) from None
        raise


def _version(raw: JSON) -> object:
    return (raw.get("metadata") or {}).get("resourceVersion")


def finish_mark(kube: KubeClient, ref: Ref, run_id: str, state: str, why: str = "") -> None:
    """Records that this run has finished with a workload; a mark of another run stays as it is."""
    mark = parse_mark(read(kube, ref))
    if mark and mark.run == run_id and mark.state != state:
        write_mark(kube, ref, mark.model_copy(update={"state": state, "why": why}))


def write_mark(kube: KubeClient, ref: Ref, mark: Mark) -> None:
    """Writes the mark of a run, and nothing else."""
    kube.patch(ref.path, {"metadata": {"annotations": {ROLLOUT: mark.model_dump_json()}}})


def unstick(kube: KubeClient, one: Workload) -> tuple[str, ...]:
    """Deletes the pods that keep an ordered StatefulSet from going back, and returns their names.

    Its controller waits for each pod to become ready before it replaces the next one, also if that pod never can.
    These are pods of another template that are not ready, at or above the partition, the highest number first.
    """
    if (
        one.ref.kind is not Kind.STATEFUL_SET
        or not one.in_order
        or one.observed < one.generation
        or not one.revision_hash
    ):
        return ()
    stuck = [pod for pod in one.old_pods if not pod.ready and not pod.leaving and _number(pod.name) >= one.partition]
    gone = []
    for pod in sorted(stuck, key=lambda each: _number(each.name), reverse=True):
        options = {"preconditions": {"uid": pod.uid}}
        kube.delete(f"/api/v1/namespaces/{one.ref.namespace}/pods/{pod.name}", options)
        gone.append(pod.name)
    return tuple(gone)


def _number(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
