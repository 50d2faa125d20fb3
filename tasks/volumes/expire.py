"""Contains the Prefect tasks that remove backups of volumes that no rule keeps, and say how old the others are."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial

from prefect import task

from tasks.backup.ages import publish_ages
from tasks.backup.backups import delete_unlocked
from tasks.backup.policy.retention import decide_retention
from tasks.clients.kube import KubeClient
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.plan import Skip
from tasks.core.models.retention import Kept, Removed, Retention, StoredBackup
from tasks.core.retries import ACT
from tasks.volumes.models.backups import Expired, VolumeBackup, VolumeBackupId
from tasks.volumes.models.selection import LONGEST_WAIT
from tasks.volumes.models.snapshots import Pair
from tasks.volumes.observe import read_pairs
from tasks.volumes.policy.expiry import last_of, protected
from tasks.volumes.policy.pairs import leftovers
from tasks.volumes.remove import remove_pair
from tasks.volumes.store import VolumeStore, volumes_of


@task(**ACT, task_run_name="expire-volumes-{cluster}")
def expire_volumes(cluster: str, backup: VolumeBackup, rules: Retention | None = None) -> Expired:
    """Removes backups of this selection that no rule keeps, with their snapshots and archives; `rules` default to the profile's.

    Snapshots and archives go first, the manifest last: an interrupted removal is found again. Raises `NotYet` when the store does not
    list the backup that was just written.
    """
    handle = open_cluster(cluster)
    store, kube, profile = volumes_of(handle), handle.kube, handle.profile.backup
    known = store.known()
    if backup.id not in {str(one) for one in known}:
        raise NotYet(f"the store does not list backup {backup.id} yet: nothing is removed", hint="it is tried again")
    mine = VolumeBackupId.model_validate(backup.id)
    series = [one for one in known if one.series == mine.series]
    kept, removed = _decide(store, series, rules or profile.retention, profile.time_zone)
    reasons = last_of({one.subject for one in backup.left_out}, store.newest_first(series))
    kept, removed = protected(kept, removed, reasons | {backup.id: "this run has just taken it"})
    pairs = read_pairs(kube)
    stay, gone, left = list(kept), [], []
    for one in removed:
        skips = _remove(store, kube, VolumeBackupId.model_validate(one.id), pairs)
        left += skips
        if any(skip.subject == one.id for skip in skips):
            stay.append(Kept(id=one.id, reasons=("it could not be removed now",)))
        else:
            gone.append(one)
            log_about(cluster).info("backup %s removed: %s", one.id, one.reason)
    finished = {one.run for one in known}
    age = max(profile.stale_upload_age, 2 * LONGEST_WAIT)
    old = leftovers(pairs, finished, own=mine.run, now=datetime.now(UTC), age=age)
    swept = [(pair.id, remove_pair(kube, pair)) for pair in old]
    archives, no_archives = _sweep_archives(store, {*finished, mine.run}, datetime.now(UTC) - age)
    return Expired(
        kept=tuple(sorted(stay, key=lambda one: one.id, reverse=True)),
        removed=tuple(gone),
        swept=tuple(name for name, skip in swept if skip is None),
        swept_archives=archives,
        left=(*left, *(skip for _, skip in swept if skip), *no_archives),
    )


@task(**ACT, task_run_name="publish-volumes-age-{cluster}")
def publish_volumes_age(cluster: str) -> None:
    """Saves when the newest backup of each selection was taken, for Prometheus."""
    handle = open_cluster(cluster)
    publish_ages(handle, "volumes", ((one.series, one.taken_at) for one in volumes_of(handle).known()))


def _sweep_archives(
    store: VolumeStore, finished: Collection[str], before: datetime
) -> tuple[tuple[str, ...], list[Skip]]:
    """Removes archives and uploads of runs that have no manifest and are old enough. Returns their keys, and what stays."""
    uploads = [(one.key, one.started_at, partial(store.store.abort, one)) for one in store.archive_uploads()]
    objects = [
        (one.key, one.modified_at, partial(delete_unlocked, store.store, one)) for one in store.archive_objects()
    ]
    found: list[tuple[str, datetime, Callable[[], None]]] = [*uploads, *objects]
    removed, left = [], []
    for key, since, remove in found:
        run = store.run_of(key)
        if not run or run in finished or since > before:
            continue
        try:
            remove()
        except RunbookError as error:
            left.append(Skip(subject=key, reason=error.problem))
        else:
            removed.append(key)
    return tuple(removed), left


def _decide(
    store: VolumeStore, known: Sequence[VolumeBackupId], rules: Retention, zone: str
) -> tuple[tuple[Kept, ...], tuple[Removed, ...]]:
    """Decides, asks for the locks of what would go, and decides again: a locked backup takes no other one's slot."""
    now = datetime.now(UTC)
    stored = [StoredBackup(id=str(one), taken_at=one.taken_at, verified=True) for one in known]
    going = {one.id for one in decide_retention(stored, rules, now=now, time_zone=zone).removed}
    asked = [_with_lock(store, one) if one.id in going else one for one in stored]
    decision = decide_retention(asked, rules, now=now, time_zone=zone)
    return decision.kept, decision.removed


def _with_lock(store: VolumeStore, stored: StoredBackup) -> StoredBackup:
    try:
        until = store.store.locked_until(store.key(VolumeBackupId.model_validate(stored.id)))
    except RunbookError as error:
        return stored.model_copy(update={"lock_unknown": error.problem})
    return stored.model_copy(update={"locked_until": until})


def _remove(store: VolumeStore, kube: KubeClient, backup: VolumeBackupId, pairs: Sequence[Pair]) -> list[Skip]:
    """Removes the snapshots of a backup, then its manifest. Returns what stays; the backup itself if its manifest stays."""
    mine = [pair for pair in pairs if pair.run == backup.run]
    left = [skip for pair in mine if (skip := remove_pair(kube, pair))]
    if left:
        return [*left, Skip(subject=str(backup), reason="not all of its snapshots are removed")]
    try:
        manifest = store.read(backup)
        lost = _without_objects(manifest, mine)
        if left := _remove_archives(store, manifest):
            return [*left, Skip(subject=str(backup), reason="not all of its archives are removed")]
        store.store.delete(store.key(backup))
    except RunbookError as error:
        refuses = "refuses to delete" if isinstance(error, Refused) else "did not delete"
        return [Skip(subject=str(backup), reason=f"the store {refuses} its manifest: {error.problem}")]
    return lost


def _remove_archives(store: VolumeStore, manifest: VolumeBackup) -> list[Skip]:
    """Removes the objects of the archives of a backup, and nothing else. Returns what stays, and why."""
    own = set(store.own_keys(manifest))
    there = [one for one in store.archive_objects(manifest.flow_run) if one.key in own]
    left = []
    for one in there:
        try:
            delete_unlocked(store.store, one)
        except RunbookError as error:
            left.append(Skip(subject=one.key, reason=error.problem))
    return left


def _without_objects(manifest: VolumeBackup, pairs: Sequence[Pair]) -> list[Skip]:
    """Returns the snapshots at the storage of which the cluster has no object: nobody removes them there."""
    there = {pair.content.name for pair in pairs if pair.content}
    return [
        Skip(
            subject=f"{one.driver} {one.handle}",
            reason="the cluster has no object of this snapshot: if it is still at the storage, delete it there",
        )
        for one in manifest.records
        if one.content not in there
    ]
