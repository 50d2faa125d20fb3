"""Puts workloads back: the template and the replicas of a snapshot or of a revision, proven."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import Refused
from tasks.workloads.act import Job, read, retried, send_or_conflict, unstick
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.rollout import ROLLOUT, Mark, PutBack
from tasks.workloads.models.state import Workload
from tasks.workloads.observe import known_events
from tasks.workloads.policy.hints import history_shows
from tasks.workloads.policy.history import CAUSE
from tasks.workloads.policy.templates import digest_of_template, images_of, same_template, without_hashes
from tasks.workloads.probes.targets import parse_mark, template_of
from tasks.workloads.snapshots import read_snapshot
from tasks.workloads.targets import find_scaler
from tasks.workloads.watch import Watch

JSON = dict[str, Any]

SETTLED = timedelta(seconds=10)
"""Limits how long a workload that was put back has to stay available."""

LONGEST_CAUSE = 300
"""Limits the characters of a change cause."""


def put_back_change(job: Job, ref: Ref, why: str) -> PutBack:
    """Puts a workload back to the snapshot from before the change of this run, and proves it.

    Raises:
        Refused: somebody else has changed the template since, which is not overwritten; or the snapshot is lost.
        RolloutFailed: it cannot run any more.
        TimedOut: it is not proven in time.
    """
    kube = job.handle.kube
    mark = parse_mark(read(kube, ref))
    if mark is None or mark.run != job.run_id:
        raise Refused(
            f"{ref.id}: another run has changed it since; nothing is put back", hint=history_shows(ref, "who")
        )
    body = read_snapshot(job.handle.store, mark.snapshot).body
    undone = mark.model_copy(update={"state": "undone", "why": why})
    retried(lambda: _write_back(job, ref, body, undone))
    unstuck = prove_back(job, ref)
    return PutBack(workload=ref.id, images=images_of(template_of(read(kube, ref))), unstuck=unstuck)


def _write_back(job: Job, ref: Ref, body: JSON, mark: Mark) -> None:
    raw = read(job.handle.kube, ref)
    now, then = template_of(raw), template_of(body)
    if digest_of_template(now) not in {mark.template, digest_of_template(then)}:
        raise Refused(
            f"{ref.id}: somebody else has changed its template since; it is not put back",
            hint=history_shows(ref, "who"),
        )
    cause = f"kube-runbooks: put back by run {job.run_id}: {mark.why}"[:LONGEST_CAUSE]
    notes: JSON = {ROLLOUT: mark.model_dump_json(), CAUSE: cause}
    replicas = (body.get("spec") or {}).get("replicas")
    write_template(job, ref, raw, then, notes, replicas=replicas)


def write_template(  # noqa: PLR0913 - what is written
    job: Job, ref: Ref, raw: JSON, template: JSON, notes: JSON, *, replicas: object = None
) -> None:
    """Replaces the template of a workload that was just read, and its replicas unless an autoscaler sets them."""
    kube = job.handle.kube
    spec = raw["spec"] | {
        "template": template_of(raw) if same_template(template, template_of(raw)) else without_hashes(template)
    }
    if replicas is not None and ref.kind is not Kind.DAEMON_SET and find_scaler(kube, ref) is None:
        spec |= {"replicas": replicas}
    annotations = (raw["metadata"].get("annotations") or {}) | notes
    kept = {name: value for name, value in annotations.items() if value is not None}
    body = raw | {"metadata": raw["metadata"] | {"annotations": kept}, "spec": spec}
    job.check()
    send_or_conflict(lambda: kube.replace(ref.path, body), kube, ref, raw)


def prove_back(job: Job, ref: Ref) -> tuple[str, ...]:
    """Waits until a workload that was put back is finished, and returns the pods that had to be deleted for it."""
    kube = job.handle.kube
    expected = digest_of_template(template_of(read(kube, ref)))
    unstuck: list[str] = []
    watch = BackWatch(kube, ref, expected, unstuck.extend, known_events(kube, ref.namespace))
    stable_for = min(job.stable_for, SETTLED)
    wait_for(watch.look, job.timeout, what="the rollback to finish", about=ref.id, stable_for=stable_for)
    return tuple(dict.fromkeys(unstuck))


class BackWatch(Watch):
    """Watches a workload that goes back. It deletes the pods that would block a StatefulSet forever."""

    def __init__(
        self,
        kube: KubeClient,
        ref: Ref,
        expected: str,
        tell: Callable[[Sequence[str]], None],
        known: frozenset[str],
    ) -> None:
        super().__init__(kube, {ref: expected}, known)
        self._tell = tell

    def judge(self, one: Workload) -> str:
        """Deletes what blocks it before it says what is missing."""
        self._tell(unstick(self.kube, one))
        return super().judge(one)
