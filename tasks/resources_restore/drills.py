"""Contains the Prefect tasks of a drill: objects are restored into throw-away namespaces, compared, and removed."""

from collections.abc import Sequence
from datetime import timedelta

from prefect import task

from tasks.clients.kube import JSON, KubeClient
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.retries import ACT
from tasks.resources.models import Manifest
from tasks.resources.store import is_without_values, read_manifest
from tasks.resources_restore.backup import Item, in_batches, meant
from tasks.resources_restore.facts import sorted_bodies
from tasks.resources_restore.models import (
    Compared,
    Drilled,
    Failure,
    Judged,
    LeftOut,
    ResourceRestoreOptions,
    Select,
)
from tasks.resources_restore.observe import Look, View, send, why_without_values
from tasks.resources_restore.policy.drill import (
    LABEL,
    calm,
    compared,
    guard,
    is_created,
    is_ours,
    sample,
    throwaway,
    throwaway_name,
    why_not_tried,
)
from tasks.run.locks import Check

LOCK = ("kube-system", "resources-drill")
"""Names the lock: one drill at a time, because each removes what another has left."""

NAMESPACES = "/api/v1/namespaces"
GUARDED = timedelta(minutes=1)
REMOVED = timedelta(minutes=5)
"""Limits the wait until a throw-away namespace is gone; that takes about ten seconds."""

CORRECT = "correct the object in the cluster, or what refuses it; then take a new backup"


@task(**ACT, task_run_name="drill-objects-{cluster}")
def drill_objects(  # noqa: PLR0913, PLR0917 - the parameters of the flow
    cluster: str, backup: str, namespaces: tuple[str, ...], count: int, run_id: str, check: Check
) -> Drilled:
    """Restores each namespace into one that is thrown away, compares what comes back, and removes it.

    Objects without a namespace are only tried by a dry run.
    """
    handle = open_cluster(cluster)
    manifest = read_manifest(handle.store, cluster, backup)
    chosen = _chosen(manifest, namespaces, count)
    removed = list(_remove(handle.kube, check))
    done = []
    try:
        for number, name in enumerate(chosen):
            done.append(_Drill(handle, manifest, name, throwaway_name(run_id, number), run_id, check).run())
            log_about(name).info("%d objects restored and equal, %d failed", done[-1].restored, len(done[-1].failed))
    finally:
        removed += _remove(handle.kube, check)
    tried, failed = _try_cluster_scoped(handle, manifest)
    return Drilled(
        backup=manifest.id,
        taken_at=manifest.taken_at,
        namespaces=tuple(done),
        cluster_scoped=tried,
        failed=failed,
        removed=tuple(removed),
    )


def _chosen(manifest: Manifest, namespaces: tuple[str, ...], count: int) -> tuple[str, ...]:
    known = {one.namespace for one in manifest.entries if one.namespaced}
    if absent := sorted(set(namespaces) - known):
        raise Refused(
            f"the backup {manifest.id} has no object in {listed(absent)}",
            hint="`kube-runbooks resources list CLUSTER` shows what it has",
        )
    return namespaces or sample(known, count, manifest.taken_at.toordinal())


class _Drill:
    """Restores one namespace."""

    def __init__(  # noqa: PLR0913, PLR0917 - what one namespace needs
        self, handle: Cluster, manifest: Manifest, source: str, name: str, run_id: str, check: Check
    ) -> None:
        self.handle, self.kube, self.manifest, self.check = handle, handle.kube, manifest, check
        self.source, self.name, self.run_id = source, name, run_id
        options = ResourceRestoreOptions(into_namespace=(f"{source}={name}",))
        self.items = [one for one in meant(manifest, Select(namespaces=(source,)), options) if one.target.namespaced]
        self.view = View(handle.kube, (one.target for one in self.items), options)
        self.left: list[LeftOut] = []
        self.failed: list[Failure] = []
        self.restored = self.tried = 0

    def run(self) -> Compared:
        """Creates the namespace, then its objects, and compares each."""
        self.check()
        self.kube.create(NAMESPACES, throwaway(self.name, self.source, self.run_id))
        self.kube.create(f"{NAMESPACES}/{self.name}/resourcequotas", guard())
        wait_for(self._guarded, GUARDED, what="the quota that forbids pods", about=self.name)
        for batch in in_batches(self.items):
            self._batch(batch)
        return Compared(
            namespace=self.source,
            throwaway=self.name,
            restored=self.restored,
            tried=self.tried,
            left=tuple(self.left),
            failed=tuple(self.failed),
        )

    def _guarded(self) -> None:
        found = self.kube.get(f"{NAMESPACES}/{self.name}/resourcequotas/{guard()['metadata']['name']}")
        if "pods" not in (found.get("status", {}).get("hard") or {}):
            raise NotYet("the controller manager has not read it", hint="check the controller manager")

    def _batch(self, items: Sequence[Item]) -> None:
        """Creates what may be created. Addresses of Services are not kept, so that none is taken from another."""
        pairs = sorted_bodies(self.handle, self.manifest, items)
        ready = [(one, body) for one, body in pairs if not self._leave(one, body)]
        looks = self.view.judge_all([(one.target, calm(one.target, body)) for one, body in ready])
        for look in looks:
            one = look.judged
            if not is_created(one.target):
                self._count(one)
            elif one.is_fine:
                self._create(look)
            else:
                self._fail(one, f"{one.verdict}: {one.reason}")

    def _leave(self, one: Item, body: JSON) -> bool:
        reason = why_without_values(one.target).reason if is_without_values(body) else why_not_tried(one.target)
        if reason:
            self.left.append(LeftOut(label=one.entry.label, reason=reason))
        return bool(reason)

    def _count(self, one: Judged) -> None:
        if one.is_fine:
            self.tried += 1
        else:
            self._fail(one, f"{one.verdict}: {one.reason}")

    def _create(self, look: Look) -> None:
        self.check()
        one, body = look.judged, look.body
        answer = send(self.kube, one.target, body, forced=not look.is_post, is_post=look.is_post)
        if not answer.is_fine:
            self._fail(one, f"the API server refuses it: {answer.status} {answer.message}")
            return
        found = self.kube.find(one.target.path)
        problems = compared(one.target, body, found) if found else ("it is gone",)
        if problems:
            self._fail(one, f"it came back otherwise: {'; '.join(problems)}")
        else:
            self.restored += 1

    def _fail(self, one: Judged, problem: str) -> None:
        label = f"{one.target.kind} {self.source}/{one.target.name}"
        self.failed.append(Failure(label=label, problem=problem, next_step=one.next_step or CORRECT))


def _try_cluster_scoped(handle: Cluster, manifest: Manifest) -> tuple[int, tuple[Failure, ...]]:
    """Tries each object without a namespace; one that exists may differ."""
    options = ResourceRestoreOptions()
    items = [one for one in meant(manifest, Select(), options) if not one.target.namespaced]
    view = View(handle.kube, (one.target for one in items), options)
    tried, failed = 0, []
    for batch in in_batches(items):
        pairs = sorted_bodies(handle, manifest, batch)
        for look in view.judge_all([(one.target, body) for one, body in pairs]):
            one = look.judged
            if one.is_fine:
                tried += 1
            else:
                problem = f"{one.verdict}: {one.reason}"
                failed.append(Failure(label=one.target.label, problem=problem, next_step=one.next_step or CORRECT))
    return tried, tuple(failed)


def _remove(kube: KubeClient, check: Check) -> tuple[str, ...]:
    found = [one["metadata"] for one in kube.items(NAMESPACES, labelSelector=LABEL) if is_ours(one)]
    for one in found:
        check()
        kube.delete(f"{NAMESPACES}/{one['name']}", {"preconditions": {"uid": one["uid"]}})

    def look() -> None:
        if left := [one["name"] for one in found if kube.find(f"{NAMESPACES}/{one['name']}")]:
            raise NotYet(f"still there: {listed(left)}", hint=f"kubectl describe namespace {left[0]}")

    wait_for(look, REMOVED, what="throw-away namespaces to be gone", about="drill")
    return tuple(one["name"] for one in found)
