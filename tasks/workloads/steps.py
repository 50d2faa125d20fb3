"""Contains the Prefect tasks: what is read, what is rolled out, what is put back."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import task

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import Refused, TimedOut
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.gates.observe import what_gates_say
from tasks.run.locks import Check
from tasks.workloads.act import Job, change_workload, finish_mark, read
from tasks.workloads.back import begin, roll_back
from tasks.workloads.bake import bake
from tasks.workloads.goals import observe_back
from tasks.workloads.images import ask_for_images
from tasks.workloads.models.changes import Change, RolloutOptions, RolloutRequest
from tasks.workloads.models.history import HistoriesFound
from tasks.workloads.models.names import Ref
from tasks.workloads.models.rollback import BackTarget, RollbackFacts, RollbackOptions, RollbackRequest, RolledBack
from tasks.workloads.models.rollout import GroupPutBack, GroupRolled, PutBack, RolloutFacts
from tasks.workloads.models.state import StatusFound, Workload
from tasks.workloads.observe import find_refs, known_events, read_history, read_workload, status_of
from tasks.workloads.policy.gates import bake_of, gates_for
from tasks.workloads.policy.hints import rollback_puts_back
from tasks.workloads.policy.plan import goes_back
from tasks.workloads.policy.rollback import is_done, is_so
from tasks.workloads.probes.targets import parse_mark
from tasks.workloads.put_back import put_back_change
from tasks.workloads.snapshots import take_snapshot
from tasks.workloads.targets import observe_targets
from tasks.workloads.watch import RolloutFailed, Watch, failed_at_limit


@task(**OBSERVE, task_run_name="status-{namespace}")
def observe_status(cluster: str, namespace: str, workloads: Sequence[str], *, logs: bool) -> StatusFound:
    """Reads how far each workload is and why it is not finished; without names, it reads all of the namespace."""
    kube, now = open_cluster(cluster).kube, datetime.now(UTC)
    if kube.find(f"/api/v1/namespaces/{namespace}") is None:
        return StatusFound(observed_at=now, namespace=namespace, has_namespace=False)
    refs = [Ref.of(namespace, name) for name in dict.fromkeys(workloads)] or list(find_refs(kube, namespace))
    found = on_all(lambda ref: read_workload(kube, ref), refs)
    there = [one for one in found if one]
    return StatusFound(
        observed_at=now,
        namespace=namespace,
        workloads=tuple(on_all(lambda one: status_of(kube, one, logs=logs), there)),
        absent=tuple(ref.workload for ref, one in zip(refs, found, strict=True) if one is None),
    )


@task(**OBSERVE, task_run_name="history-{namespace}")
def observe_history(cluster: str, namespace: str, workloads: Sequence[str]) -> HistoriesFound:
    """Reads the revisions of each workload; without names, it reads all of the namespace."""
    kube = open_cluster(cluster).kube
    if kube.find(f"/api/v1/namespaces/{namespace}") is None:
        return HistoriesFound(namespace=namespace, has_namespace=False)
    refs = [Ref.of(namespace, name) for name in dict.fromkeys(workloads)] or list(find_refs(kube, namespace))
    found = on_all(lambda ref: read_history(kube, ref), refs)
    return HistoriesFound(
        namespace=namespace,
        histories=tuple(one for one in found if one),
        absent=tuple(ref.workload for ref, one in zip(refs, found, strict=True) if one is None),
    )


@task(**OBSERVE, task_run_name="observe-{cluster}")
def observe_rollout(cluster: str, request: RolloutRequest) -> RolloutFacts:
    """Reads what is to be changed, and tries each change by a dry run."""
    return observe_targets(open_cluster(cluster), request)


@task(**OBSERVE, task_run_name="ask-for-images-{cluster}")
def ask_registries(cluster: str, request: RolloutRequest, facts: RolloutFacts, options: RolloutOptions) -> RolloutFacts:
    """Adds to the facts what nodes and registries say about the new images, unless the options leave it out."""
    if not options.check_images or goes_back(facts):
        return facts
    handle = open_cluster(cluster)
    changes = [one for one in request.changes if one.images and facts.of(one.ref).diff]
    found = on_all(lambda change: ask_for_images(handle, change), changes)
    return facts.model_copy(update={"images": tuple(answer for answers in found for answer in answers)})


@task(**PATIENT, task_run_name="roll-out-{cluster}")
def roll_out_group(  # noqa: PLR0913 - each has a name at the call
    cluster: str,
    changes: Sequence[Change],
    *,
    facts: RolloutFacts,
    request: RolloutRequest,
    options: RolloutOptions,
    person: str,
    check: Check,
) -> GroupRolled:
    """Changes the workloads of a group together, and proves all of them.

    Raises `RolloutFailed` if a cause is final, or if the group is not finished in time.
    """
    handle, began = open_cluster(cluster), datetime.now(UTC)
    job = _job(handle, request, options, check, person)
    check()
    kube = handle.kube
    known = frozenset(one for change in changes for one in known_events(kube, change.namespace))
    done = on_all(lambda one: change_workload(job, one, facts.of(one.ref)), changes)
    expected = {change.ref: one.template for change, one in zip(changes, done, strict=True)}
    restarts = {name: count for one in done for name, count in one.restarts.items()}
    watch = Watch(kube, expected, known, restarts=restarts, logs=options.logs)
    gates = gates_for(handle.profile.workloads.gates, request.refs)
    length, about = bake_of(options.bake, gates), ", ".join(one.ref.id for one in changes)
    try:
        wait_for(watch.look, options.timeout, what="the rollout to finish", about=about, stable_for=options.stable_for)
        found = bake(handle, watch, gates, length=length, limit=options.timeout, about=about)
    except TimedOut as error:
        if failed := failed_at_limit(error):
            raise failed from error
        raise
    proven = on_all(lambda pair: _keep_proven(handle, *pair, request.run_id), list(zip(changes, found, strict=True)))
    rolled = tuple(
        one.rolled.model_copy(update={"revision": seen.revision, "pods": len(seen.new_pods), "kept": key})
        for one, seen, key in zip(done, found, proven, strict=True)
    )
    return GroupRolled(
        group=changes[0].group,
        workloads=rolled,
        took=datetime.now(UTC) - began,
        gates=tuple(one.name for one in gates),
        baked=length,
    )


def _job(
    handle: Cluster,
    request: RolloutRequest | RollbackRequest,
    options: RolloutOptions | RollbackOptions,
    check: Check,
    person: str = "",
) -> Job:
    return Job(
        handle=handle,
        run_id=request.run_id,
        words=request.in_words,
        check=check,
        ticket=request.ticket,
        person=person,
        timeout=options.timeout,
        stable_for=options.stable_for,
    )


def _keep_proven(handle: Cluster, change: Change, seen: Workload, run_id: str) -> str:
    raw = read(handle.kube, change.ref)
    kept = take_snapshot(handle, change.ref, raw, seen.revision, run_id, proven=True)
    finish_mark(handle.kube, change.ref, run_id, "done")
    return kept.key


@task(**PATIENT, task_run_name="put-back-{cluster}")
def put_back_group(
    cluster: str, request: RolloutRequest, options: RolloutOptions, why: str, check: Check
) -> GroupPutBack:
    """Puts every workload back that this run has changed, the last one first. It stops at the first that fails.

    Raises the error of that one, with what was put back before and what was not.
    """
    handle = open_cluster(cluster)
    job = _job(handle, request, options, check)
    done: list[PutBack] = []
    touched = touched_by(handle.kube, request)
    for number, ref in enumerate(touched):
        try:
            done.append(put_back_change(job, ref, why))
        except (Refused, RolloutFailed, TimedOut) as error:
            failed = failed_at_limit(error) if isinstance(error, TimedOut) else error
            if failed is None:
                raise
            rest = [one.id for one in touched[number + 1 :]]
            states = [f"{one.workload} is back" for one in done] + [f"{one} is not put back" for one in rest]
            problem = f"{ref.id} could not be put back: {failed.problem}"
            raise RolloutFailed(
                "; ".join([problem, *states]), hint=failed.hint or f"correct it by hand; {rollback_puts_back(ref)}"
            ) from error
    gates = gates_for(handle.profile.workloads.gates, request.refs)
    closed = what_gates_say(handle, gates)
    return GroupPutBack(workloads=tuple(done), gates=tuple(one.name for one in gates), closed=closed)


def touched_by(kube: KubeClient, request: RolloutRequest) -> list[Ref]:
    """Returns the workloads that this run has changed and has not put back, the last group first."""
    digests = {one.ref: one.digest for one in request.changes}

    def is_touched(ref: Ref) -> bool:
        raw = kube.find(ref.path)
        mark = parse_mark(raw) if raw else None
        return bool(mark and mark.run == request.run_id and mark.change == digests[ref])

    return [ref for ref in reversed(request.refs) if is_touched(ref)]


@task(**OBSERVE, task_run_name="observe-{cluster}")
def observe_rollback(cluster: str, request: RollbackRequest) -> RollbackFacts:
    """Reads what is to be rolled back, and where each workload goes."""
    return observe_back(open_cluster(cluster), request)


@task(**ACT, task_run_name="begin-rollback-{cluster}")
def begin_rollback(
    cluster: str, facts: RollbackFacts, request: RollbackRequest, options: RollbackOptions, check: Check
) -> None:
    """Records in every workload that this run rolls it back, also in those that a continued run has proven."""
    job = Job(handle=open_cluster(cluster), run_id=request.run_id, words=request.in_words, check=check)
    begin(job, [one for one in facts.targets if is_done(facts, one) or not is_so(facts, one, options)])


@task(**PATIENT, task_run_name="roll-back-{one.target.ref.name}")
def roll_back_workload(  # noqa: PLR0913 - each has a name at the call
    cluster: str, one: BackTarget, *, request: RollbackRequest, options: RollbackOptions, person: str, check: Check
) -> RolledBack:
    """Rolls one workload back, and proves it.

    Raises `RolloutFailed` if it cannot run any more, or if it is not finished in time.
    """
    handle = open_cluster(cluster)
    job = _job(handle, request, options, check, person)
    check()
    try:
        back = roll_back(job, one, request.to, options)
    except TimedOut as error:
        if failed := failed_at_limit(error):
            raise failed from error
        raise
    gates = gates_for(handle.profile.workloads.gates, [one.target.ref])
    said = {"gates": tuple(each.name for each in gates), "closed": what_gates_say(handle, gates)}
    return back.model_copy(update=said)
