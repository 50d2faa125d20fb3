"""Contains the Prefect tasks: snapshots are taken, set to Retain, proven, and recorded in a manifest with the archives."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks import __version__
from tasks.clients.kube import JSON, Conflicted, KubeClient
from tasks.cluster import open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused, TimedOut
from tasks.core.logs import log_about
from tasks.core.models.findings import Problem, listed
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.volumes.models.archives import Archived
from tasks.volumes.models.backups import Cut, SnapshotsKept, VolumeBackup, VolumeBackupId, VolumeRecord
from tasks.volumes.models.facts import ArchiveTarget, Target, VolumeFacts, VolumePlan
from tasks.volumes.models.freezes import Thawed
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.models.snapshots import BACKUP, POLICY, RUN, Content, Pair, Snapshot
from tasks.volumes.observe import observe, path_of_claims, path_of_snapshots, read_pairs
from tasks.volumes.policy.names import snapshot_name
from tasks.volumes.policy.readiness import Waits, doubts_claim, judge, what_is_misbound, what_is_wrong_with_claim
from tasks.volumes.policy.records import record_of
from tasks.volumes.probes.objects import CONTENTS, VOLUMES, bare, bare_claim, parse_claim, parse_snapshot
from tasks.volumes.quiesce import frozen, thaw_what_is_left
from tasks.volumes.remove import remove_pair
from tasks.volumes.store import volumes_of

LOOK_EVERY = timedelta(seconds=2)
"""Each look lists the snapshots of the run, and all contents of the cluster."""

LOOK_OFTEN = timedelta(seconds=0.5)
"""Is for looks while containers are frozen."""

NEW_PLAN = "run this again: it makes a new plan"


@task(**OBSERVE, task_run_name="observe-volumes-{cluster}")
def observe_volumes(cluster: str, select: Selection) -> VolumeFacts:
    """Reads the claims of the selection, their volumes, the classes of snapshots, and the pods that hooks fit."""
    return observe(open_cluster(cluster), select)


@task(**ACT, task_run_name="thaw-containers-{cluster}")
def thaw_containers(cluster: str, run_id: str) -> Thawed:
    """Thaws what an interrupted run left frozen. Raises `FailedForGood` if a container may still be frozen."""
    return thaw_what_is_left(open_cluster(cluster), run_id)


@task(**OBSERVE, task_run_name="volume-backup-of-this-run-{cluster}")
def volume_backup_of_this_run(cluster: str, run_id: str) -> VolumeBackup | None:
    """Returns the backup that an earlier attempt of this run finished; None if there is none."""
    store = volumes_of(open_cluster(cluster))
    mine = [one for one in store.known() if one.run == run_id]
    return _without_objects(store.read(mine[-1])) if mine else None


@task(**PATIENT, task_run_name="cut-snapshots-{cluster}")
def cut_snapshots(cluster: str, plan: VolumePlan, run_id: str, options: VolumeOptions) -> Cut:
    """Creates the VolumeSnapshots, all at once, and waits until the storage has cut each.

    Meanwhile the containers of the plan's hooks are frozen. Raises `Refused` if a claim is no longer that of the plan, or
    if a snapshot cannot be taken at all.
    """
    handle = open_cluster(cluster)
    if not plan.freezes:
        return _cut(handle.kube, cluster, plan, run_id, options.cut_within)
    thaw_what_is_left(handle, run_id)
    _remove_unfrozen(handle.kube, run_id)
    with frozen(handle, plan.freezes, run_id) as freezing:
        cut = _cut_in_time(handle.kube, cluster, plan, run_id, freezing.left)
    return cut.model_copy(update={"quiesced": freezing.quiesced})


def _cut(kube: KubeClient, cluster: str, plan: VolumePlan, run_id: str, limit: timedelta) -> Cut:
    before = {pair.snapshot.id for pair in read_pairs(kube, run_id) if pair.snapshot}
    on_all(lambda target: _check_claim(kube, target), plan.targets)
    made = on_all(lambda target: _create(kube, target, run_id), plan.targets)
    _wait(cluster, plan, run_id, limit, ready=False)
    return Cut(
        created=tuple(one.id for one in made if one.id not in before),
        present=tuple(one.id for one in made if one.id in before),
    )


def _cut_in_time(kube: KubeClient, cluster: str, plan: VolumePlan, run_id: str, limit: timedelta) -> Cut:
    """Raises `TimedOut` if the storage takes longer than the containers may be frozen: Prefect does not freeze them again."""
    try:
        return _cut(kube, cluster, plan, run_id, limit)
    except NotYet as error:
        if not isinstance(error, TimedOut) and limit > timedelta():
            raise
        raise TimedOut(
            f"the storage did not cut the snapshots while the containers were frozen: {error.problem}",
            hint="raise the limit of the hooks in volumes.hooks of the profile (at most 60s), or add --no-use-hooks",
        ) from error


def _remove_unfrozen(kube: KubeClient, run_id: str) -> None:
    """Removes what an earlier attempt of this run took: whether all was frozen then is not known."""
    for pair in read_pairs(kube, run_id):
        if skip := remove_pair(kube, pair):
            raise NotYet(f"{skip.subject} is of an earlier attempt, and is not removed: {skip.reason}")


def _check_claim(kube: KubeClient, target: Target) -> None:
    claim = target.claim
    raw = kube.find(f"{path_of_claims(claim.namespace)}/{claim.name}")
    now = parse_claim(raw) if raw else None
    if now is None or (now.uid, now.volume, now.deleting) != (claim.uid, claim.volume, False):
        raise Refused(f"the claim {claim.id} is no longer that of the plan", hint=NEW_PLAN)


def _create(kube: KubeClient, target: Target, run_id: str) -> Snapshot:
    """Creates a VolumeSnapshot, or returns the one that an earlier attempt of this run created."""
    claim = target.claim
    name, folder = snapshot_name(claim.name, claim.uid, run_id), path_of_snapshots(claim.namespace)
    body: JSON = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name, "labels": {RUN: run_id}},
        "spec": {
            "volumeSnapshotClassName": target.snapshot_class.name,
            "source": {"persistentVolumeClaimName": claim.name},
        },
    }
    if there := kube.find(f"{folder}/{name}"):
        return parse_snapshot(there)
    try:
        made = parse_snapshot(kube.create(folder, body))
    except Conflicted:
        return parse_snapshot(kube.get(f"{folder}/{name}"))
    log_about(claim.id).info("VolumeSnapshot %s created", made.id)
    return made


@task(**ACT, task_run_name="retain-snapshots-{cluster}")
def retain_snapshots(cluster: str, plan: VolumePlan, run_id: str) -> SnapshotsKept:
    """Sets each content to Retain, so that a snapshot stays when its namespace is deleted.

    The policy of its class is kept in an annotation: retention gives it back before it removes the snapshot.
    """
    kube = open_cluster(cluster).kube
    pairs = _pairs(kube, plan, run_id)
    for target in plan.targets:
        pair = pairs[target.claim.id]
        if wrong := what_is_misbound(target, pair):
            raise Refused(wrong.text, hint=wrong.next_step)
        if pair.content:
            _retain(kube, pair.content, run_id)
    return SnapshotsKept(records=_records(plan, _pairs(kube, plan, run_id)))


def _retain(kube: KubeClient, content: Content, run_id: str) -> None:
    policy = content.class_policy or content.policy
    if (content.run, content.policy, content.class_policy) == (run_id, "Retain", policy):
        return
    meta = {"labels": {RUN: run_id}, "annotations": {POLICY: policy}}
    kube.patch(f"{CONTENTS}/{content.name}", {"metadata": meta, "spec": {"deletionPolicy": "Retain"}})
    log_about(content.name).info("deletionPolicy: %s -> Retain", content.policy)


@task(**PATIENT, task_run_name="await-ready-{cluster}")
def await_ready(cluster: str, plan: VolumePlan, run_id: str, options: VolumeOptions) -> SnapshotsKept:
    """Waits until all snapshots are ready to use, and returns what the manifest records of each."""
    return SnapshotsKept(records=_records(plan, _wait(cluster, plan, run_id, options.ready_within, ready=True)))


def _wait(cluster: str, plan: VolumePlan, run_id: str, limit: timedelta, *, ready: bool) -> dict[str, Pair]:
    kube, began = open_cluster(cluster).kube, time.monotonic()
    if not plan.targets:
        return {}

    def look() -> dict[str, Pair]:
        pairs = _pairs(kube, plan, run_id)
        waited = timedelta(seconds=time.monotonic() - began)
        found = [
            (one.claim.id, _judged(kube, one, pairs[one.claim.id], waited=waited, ready=ready)) for one in plan.targets
        ]
        wrong = [(name, problem) for name, problem in found if problem]
        if final := [(name, problem) for name, problem in wrong if not isinstance(problem, Waits)]:
            raise Refused(
                "\n".join(f"{name}: {problem.text}" for name, problem in final),
                hint="\n".join(problem.next_step for _, problem in final),
            )
        if wrong:
            told = listed([f"{name}: {problem.text}" for name, problem in wrong], most=3)
            raise NotYet(told, hint=f"`kubectl describe volumesnapshotcontents -l {RUN}={run_id}` shows the events")
        return pairs

    what = "the snapshots to be ready to use" if ready else "the storage to cut the snapshots"
    every = LOOK_OFTEN if plan.freezes and not ready else LOOK_EVERY
    return wait_for(look, limit, what=what, about=cluster, every=every)


def _judged(kube: KubeClient, target: Target, pair: Pair, *, waited: timedelta, ready: bool) -> Waits | Problem | None:
    """Judges a snapshot. Whether its error can pass is asked of the claim, not of the error's words."""
    if doubts_claim(pair):
        raw = kube.find(f"{path_of_claims(target.claim.namespace)}/{target.claim.name}")
        if wrong := what_is_wrong_with_claim(target, parse_claim(raw) if raw else None):
            return wrong
    return judge(target, pair, waited=waited, ready=ready)


def _pairs(kube: KubeClient, plan: VolumePlan, run_id: str) -> dict[str, Pair]:
    """Returns the snapshot of each claim, by the claim's id."""
    found = {pair.snapshot.id: pair for pair in read_pairs(kube, run_id) if pair.snapshot}
    claims = [one.claim for one in plan.targets]
    return {one.id: found.get(f"{one.namespace}/{snapshot_name(one.name, one.uid, run_id)}", Pair()) for one in claims}


def _records(plan: VolumePlan, pairs: dict[str, Pair]) -> tuple[VolumeRecord, ...]:
    found = [record_of(one, pairs[one.claim.id]) for one in plan.targets]
    return tuple(one for one in found if one)


@task(**ACT, task_run_name="write-volume-manifest-{cluster}")
def write_volume_manifest(  # noqa: PLR0913, PLR0917 - one for each thing that the manifest has
    cluster: str,
    select: Selection,
    plan: VolumePlan,
    cut: Cut,
    kept: SnapshotsKept,
    archived: Archived,
    *,
    run_id: str,
) -> VolumeBackup:
    """Makes snapshots and archives a backup by writing its manifest, with the claims and their volumes as they are now.

    `Refused`, and there is no manifest, if a snapshot is no longer as it was recorded.
    """
    handle = open_cluster(cluster)
    _check_recorded(handle.kube, kept.records, run_id, "these snapshots changed after they were ready: it is no backup")
    times = [one.created_at or one.cut_at for one in kept.records]  # the clock of a storage may be wrong
    first = min(times + [one.taken_at for one in archived.archives])
    backup = VolumeBackupId(taken_at=first.replace(microsecond=0), series=select.series, run=run_id)
    manifest = VolumeBackup(
        id=str(backup),
        cluster=cluster,
        selection=select,
        records=kept.records,
        archives=archived.archives,
        objects=tuple(_objects(handle.kube, plan)),
        quiesced=cut.quiesced,
        left_out=plan.skips,
        tool=f"kube-runbooks {__version__}",
        flow_run=run_id,
        written_at=datetime.now(UTC),
    )
    return _without_objects(volumes_of(handle).write(backup, manifest))


def _objects(kube: KubeClient, plan: VolumePlan) -> Iterable[JSON]:
    wanted: list[Target | ArchiveTarget] = [*plan.targets, *plan.archives]
    for one in wanted:
        volume = kube.find(f"{VOLUMES}/{one.volume.name}")
        yield bare_claim(one.claim, kube.find(f"{path_of_claims(one.claim.namespace)}/{one.claim.name}"))
        yield from [bare(volume, "PersistentVolume")] if volume else []


def _without_objects(backup: VolumeBackup) -> VolumeBackup:
    """Returns the manifest for a report: objects of others are in the bucket's manifest only."""
    return backup.model_copy(update={"objects": ()})


@task(**ACT, task_run_name="prove-volume-backup-{cluster}")
def prove_volume_backup(cluster: str, backup: VolumeBackup) -> SnapshotsKept:
    """Marks the snapshots as a part of the backup, and reads them back. `Refused` if one is not as the manifest says."""
    kube = open_cluster(cluster).kube
    note: JSON = {"metadata": {"annotations": {BACKUP: backup.id}}}
    for one in backup.records:
        for path in (f"{path_of_snapshots(one.namespace)}/{one.snapshot}", f"{CONTENTS}/{one.content}"):
            if kube.find(path):
                kube.patch(path, note)
    about = f"these snapshots of backup {backup.id} are not as its manifest says"
    _check_recorded(kube, backup.records, backup.flow_run, about)
    return SnapshotsKept(records=backup.records)


def _check_recorded(kube: KubeClient, records: Sequence[VolumeRecord], run_id: str, about: str) -> None:
    """Reads the snapshots of a run once more. `Refused` with `about` and their names if one is not as it was recorded."""
    found = {pair.snapshot.uid: pair for pair in read_pairs(kube, run_id) if pair.snapshot}
    wrong = [one for one in records if not _is_as_recorded(one, found.get(one.snapshot_uid))]
    if wrong:
        names = listed([f"{one.namespace}/{one.snapshot}" for one in wrong])
        raise Refused(f"{about}: {names}", hint="find what deletes or changes them, then take a new backup")


def _is_as_recorded(record: VolumeRecord, pair: Pair | None) -> bool:
    content = pair.content if pair else None
    return bool(
        pair
        and content
        and pair.snapshot
        and pair.snapshot.is_ready
        and (content.name, content.handle, content.policy, content.snapshot_uid)
        == (record.content, record.handle, "Retain", record.snapshot_uid)
    )


def place_of_volume_backup(cluster: str, backup: str) -> str:
    """Returns where a manifest is, as `s3://bucket/folder/`."""
    store = volumes_of(open_cluster(cluster))
    return store.store.uri(f"{store.prefix}{backup}/")
