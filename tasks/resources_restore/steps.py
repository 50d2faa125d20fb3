"""Contains the Prefect tasks of a restore: observe, write in order, delete, and prove."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from prefect import task

from tasks.access.observe import read_apis
from tasks.clients.kube import AT_ONCE, JSON, KubeClient
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, TimedOut
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.retries import ACT, OBSERVE
from tasks.resources.models import Manifest
from tasks.resources.store import read_manifest
from tasks.resources_restore.act import Wrote, delete, write
from tasks.resources_restore.backup import Item, in_batches
from tasks.resources_restore.facts import observe_restore, other_cluster, selected, sorted_bodies
from tasks.resources_restore.models import (
    Failure,
    Judged,
    Key,
    ResourceRestoreOptions,
    Restored,
    RestoreFacts,
    RestoreProof,
    Select,
    Target,
    Verdict,
)
from tasks.resources_restore.observe import Look, View, updating
from tasks.resources_restore.policy.compare import has
from tasks.resources_restore.policy.order import OTHERS, rank_of
from tasks.resources_restore.policy.plan import to_write
from tasks.run.locks import Check

LOCK = ("kube-system", "resources-restore")
"""Names the lock: one run at a time restores objects into a cluster."""

ESTABLISHED = timedelta(minutes=1)
"""Limits the wait until the API serves the kinds of new CustomResourceDefinitions; that takes a second or two."""

BOUND = timedelta(minutes=1)
"""Limits the wait until a restored volume is bound to its claim; the controller manager takes seconds."""


@task(**OBSERVE, task_run_name="judge-objects-{cluster}")
def judge_objects(cluster: str, backup: str, select: Select, options: ResourceRestoreOptions) -> RestoreFacts:
    """Reads the selected objects of the backup, and asks the API server by dry runs what it would do with each."""
    return observe_restore(open_cluster(cluster), backup, select, options)


@task(**ACT, task_run_name="restore-objects-{cluster}")
def restore_objects(
    cluster: str, facts: RestoreFacts, select: Select, options: ResourceRestoreOptions, check: Check
) -> Restored:
    """Writes the objects of the plan in the order of their dependencies, then binds owners and volumes.

    What fails is told one by one, and the others are written.
    """
    restore = _Restore(open_cluster(cluster), facts, select, options, check)
    for rank, items in groupby(restore.items, lambda one: rank_of(one.target)):
        if rank > OTHERS:
            restore.finish()  # a webhook that is restored may refuse whatever comes after it
        restore.write(list(items))
    restore.finish()
    return restored_of(restore.wrote).model_copy(update={"waiting": tuple(restore.waiting)})


class _Restore:
    """Writes the objects of a plan, and remembers what is left for the second pass."""

    def __init__(
        self, handle: Cluster, facts: RestoreFacts, select: Select, options: ResourceRestoreOptions, check: Check
    ) -> None:
        self.handle, self.kube, self.check = handle, handle.kube, check
        self.manifest = read_manifest(handle.store, facts.from_cluster, facts.backup)
        self.planned: dict[Key, Judged] = {one.target.key: one for one in to_write(facts)}
        every = selected(handle, self.manifest, select, options, self.planned)
        self.items = [one for one in every if one.target.key in self.planned]
        other = other_cluster(handle, facts.from_cluster)
        self.view = View(handle.kube, (one.target for one in every), options, other)
        self.wrote: list[Wrote] = []
        self.second: list[Item] = []
        self.released: list[Target] = []
        self.waiting: list[str] = []

    def write(self, items: Sequence[Item]) -> None:
        """Writes objects of one place in the order, and waits for what the next ones need."""
        for batch in in_batches(items):
            looks = self._looks(batch)
            wrote = on_all(self._write, looks, most=AT_ONCE)
            self.wrote += wrote
            fine = {one.target.key for one in wrote if one.act}
            late = {one.judged.target.key for one in looks if one.needs_finish} & fine
            self.second += [one for one in batch if one.target.key in late]
            self.released += [one.judged.target for one in looks if one.is_released]
        log_about(items[0].target.kind).info("%d objects", len(items))
        self._settle([one.target for one in items])

    def finish(self) -> None:
        """Binds objects to owners that came later, and gives volumes their reclaim policy back."""
        second, self.second = self.second, []
        released, self.released = self.released, []
        volumes = [one.target for one in second if one.target.kind == "PersistentVolume"]
        wait_for_volumes(self.kube, [*volumes, *released])
        if not second:
            return
        self.view.read()
        for batch in in_batches(second):
            looks = self._looks(batch)
            self.waiting += [one.judged.target.label for one in looks if one.is_waiting]
            for wrote in on_all(lambda one: self._write(one, finishing=True), looks, most=AT_ONCE):
                if wrote.failure:
                    self.wrote.append(wrote)

    def _looks(self, items: Sequence[Item]) -> list[Look]:
        pairs = sorted_bodies(self.handle, self.manifest, items)
        return self.view.judge_all([(one.target, body) for one, body in pairs])

    def _write(self, look: Look, *, finishing: bool = False) -> Wrote:
        planned = self.planned[look.judged.target.key]
        wrote = write(self.kube, planned, look, self.check, finishing=finishing)
        if wrote.failure:
            log_about(wrote.target.label).error("%s", wrote.failure.problem)
        return wrote

    def _settle(self, targets: Sequence[Target]) -> None:
        """Waits until the API serves new kinds, which are read again then."""
        definitions = [one for one in targets if one.kind == "CustomResourceDefinition"]
        if definitions:
            for problem in wait_for_definitions(self.kube, definitions):
                log_about(problem.label).error("%s", problem.problem)
                self.wrote.append(
                    Wrote(next(one for one in definitions if one.label == problem.label), failure=problem)
                )
            self.view.read()


def wait_for_definitions(kube: KubeClient, definitions: Iterable[Target]) -> tuple[Failure, ...]:
    """Waits until the API serves the kinds; returns those that it does not serve, each with the reason."""
    wanted = tuple(definitions)

    def look() -> None:
        served = {(one.group, one.resource) for one in read_apis(kube)}
        for one in wanted:
            if problem := _why_not_served(one, kube.find(one.path), served):
                raise NotYet(f"{one.label} {problem}", hint=_describe(one))

    try:
        wait_for(look, ESTABLISHED, what="the API to serve new kinds", about="CustomResourceDefinition")
    except TimedOut as error:
        log_about("CustomResourceDefinition").warning("%s", error.problem)
        served = {(one.group, one.resource) for one in read_apis(kube)}
        found = ((one, _why_not_served(one, kube.find(one.path), served)) for one in wanted)
        return tuple(
            Failure(label=one.label, problem=problem, next_step=_describe(one)) for one, problem in found if problem
        )
    return ()


def _why_not_served(definition: Target, live: JSON | None, served: Collection[tuple[str, str]]) -> str:
    if live is None:
        return ""  # its own failure is told
    conditions = live.get("status", {}).get("conditions") or ()
    if not any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
        refused = [one.get("message", "") for one in conditions if one["status"] == "False"]
        return f"is not Established: {listed(refused)}" if refused else "is not Established"
    resource, _, group = definition.name.partition(".")
    return "" if (group, resource) in served else "is Established, and the API does not list its kind yet"


def _describe(definition: Target) -> str:
    return f"kubectl describe customresourcedefinition {definition.name}"


def wait_for_volumes(kube: KubeClient, volumes: Sequence[Target]) -> None:
    """Waits until restored volumes whose claims exist are bound. One that is not stays Retain, and is told."""

    def look() -> None:
        for one in volumes:
            found = kube.find(one.path) or {}
            claim = found.get("spec", {}).get("claimRef") or {}
            if not claim or found.get("status", {}).get("phase") == "Bound":
                continue
            path = f"/api/v1/namespaces/{claim['namespace']}/persistentvolumeclaims/{claim['name']}"
            if kube.find(path):
                raise NotYet(f"{one.label} is not bound", hint=f"kubectl describe persistentvolume {one.name}")

    try:
        wait_for(look, BOUND, what="volumes to be bound", about="PersistentVolume")
    except TimedOut as error:
        log_about("PersistentVolume").warning("%s", error.problem)


@task(**ACT, task_run_name="delete-extra-{cluster}")
def delete_extra(cluster: str, facts: RestoreFacts, restored: Restored, check: Check) -> Restored:
    """Deletes the objects of the plan that the backup does not have, unless a restore has failed."""
    if restored.failed or not facts.extra:
        return Restored()
    kube = open_cluster(cluster).kube
    return restored_of(on_all(lambda one: delete(kube, one, check), facts.extra, most=AT_ONCE))


@task(**OBSERVE, task_run_name="prove-objects-{cluster}")
def prove_objects(
    cluster: str, facts: RestoreFacts, select: Select, options: ResourceRestoreOptions, restored: Restored
) -> RestoreProof:
    """Reads each object back: applying the backup again would change nothing."""
    handle = open_cluster(cluster)
    manifest = read_manifest(handle.store, facts.from_cluster, facts.backup)
    failed = {one.label for one in restored.failed}
    released = [one.target for one in to_write(facts) if one.is_released and one.target.label not in failed]
    wanted = {one.target.key for one in to_write(facts) if one.target.label not in failed} - {
        one.key for one in released
    }
    every = selected(handle, manifest, select, options, wanted)
    items = [one for one in every if one.target.key in wanted]
    other = other_cluster(handle, facts.from_cluster)
    view = View(handle.kube, (one.target for one in every), updating(options), other)
    proof = prove(handle, manifest, items, view)
    unbound = tuple(_unbound(handle.kube, released))
    same = proof.same + len(released) - len(unbound)
    return proof.model_copy(update={"same": same, "failed": (*proof.failed, *unbound)})


def _unbound(kube: KubeClient, volumes: Iterable[Target]) -> Iterator[Failure]:
    """Yields the volumes that were given to a new claim, and that are not bound to it."""
    for one in volumes:
        phase = (kube.find(one.path) or {}).get("status", {}).get("phase", "gone")
        if phase != "Bound":
            step = f"kubectl describe persistentvolume {one.name}"
            yield Failure(label=one.label, problem=f"it is not bound to its claim: it is {phase}", next_step=step)


def prove(handle: Cluster, manifest: Manifest, items: Sequence[Item], view: View) -> RestoreProof:
    """Judges each object again. Everything but unchanged is a failure.

    A webhook that refuses the dry run, for example because its pods only start, proves nothing: then the object that was
    read is compared with what was sent.
    """
    failed: list[Failure] = []
    unasked: list[Failure] = []
    same = 0
    for batch in in_batches(items):
        pairs = sorted_bodies(handle, manifest, batch)
        for look in view.judge_all([(one.target, body) for one, body in pairs]):
            one = look.judged
            if one.verdict is Verdict.UNCHANGED:
                same += 1
            elif one.verdict is Verdict.WEBHOOK and has(handle.kube.find(one.target.path), look.body):
                same += 1
                unasked.append(Failure(label=one.target.label, problem=one.reason, next_step=one.next_step))
            else:
                told = "; ".join(one.difference) or one.reason
                problem = f"read back, it is not as the backup has it: {one.verdict}: {told}"
                failed.append(Failure(label=one.target.label, problem=problem, next_step=one.next_step))
    return RestoreProof(same=same, unasked=tuple(unasked), failed=tuple(failed))


def restored_of(wrote: Sequence[Wrote]) -> Restored:
    """Returns what was done, by act."""
    return Restored(
        created=tuple(one.target.label for one in wrote if one.act == "created"),
        updated=tuple(one.target.label for one in wrote if one.act == "updated"),
        deleted=tuple(one.target.label for one in wrote if one.act == "deleted"),
        already=tuple(one.target.label for one in wrote if one.act == "already"),
        failed=tuple(one.failure for one in wrote if one.failure),
    )
