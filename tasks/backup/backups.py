"""Finds backups of etcd in the store, completes them with a manifest, applies retention, and removes leftovers."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from prefect import task

from tasks import __version__
from tasks.backup.models.backups import Backup, BackupId, BackupProof, Drill, Freshness, Pki, ReadBack, Snapshot, Swept
from tasks.backup.policy.freshness import (
    pick_backup,
    split_by_clock,
    what_is_not_of_this_run,
    what_is_too_old,
    young_enough,
)
from tasks.backup.policy.retention import decide_retention
from tasks.backup.store import BackupStore, backups_of
from tasks.clients.objectstore import ObjectStore, StoredObject, UnfinishedUpload, try_out
from tasks.cluster import open_cluster
from tasks.core.commands import run_command
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.plan import Skip
from tasks.core.models.report import Report
from tasks.core.models.retention import Kept, Removed, Retention, RetentionDecision, StoredBackup
from tasks.core.retries import ACT, OBSERVE

TRIALS = "trials"
"""Names the folder of the bucket for trial objects, which show whether writing works."""

F = TypeVar("F", UnfinishedUpload, StoredObject)


@task(**OBSERVE, task_run_name="check-store-{cluster}")
def check_store(cluster: str) -> None:
    """Proves that the bucket exists in its region and accepts what a backup writes.

    This happens before a byte is read from etcd.
    """
    store = open_cluster(cluster).store
    store.check()
    try_out(store, f"{cluster}/{TRIALS}")


@task(**ACT, task_run_name="sweep-leftovers-{cluster}")
def sweep_leftovers(cluster: str, run_id: str) -> Swept:
    """Removes what an interrupted run left: this run's own at once, others' when they are older than the profile says.

    Leftovers are unfinished uploads, and data without a manifest. Neither was ever visible as a backup. The store may
    refuse to delete one, for example an object under Object Lock. It is then left, logged and returned with the reason.
    It costs money, but it is no reason to make no backup.
    """
    handle = open_cluster(cluster)
    now, age = datetime.now(UTC), handle.profile.backup.stale_upload_age

    def is_stale(backup: BackupId, since: datetime) -> bool:
        return backup.run == run_id or now - since > age

    uploads, no_uploads = _swept(
        "unfinished uploads", lambda: backups_of(handle).stale_uploads(is_stale), handle.store.abort
    )
    data, no_data = _swept(
        "data without a manifest",
        lambda: backups_of(handle).stale_data(is_stale),
        partial(delete_unlocked, handle.store),
    )
    for skip in (left := (*no_uploads, *no_data)):
        log_about(cluster).warning("left in the store: %s: %s", skip.subject, skip.reason)
    return Swept(uploads=uploads, objects=data, left=left)


def _swept(
    what: str, find: Callable[[], Sequence[F]], remove: Callable[[F], None]
) -> tuple[tuple[str, ...], list[Skip]]:
    """Returns the keys that were removed, and what was left, with the reason."""
    removed, left = [], []
    try:
        found = find()
    except RunbookError as error:
        return (), [Skip(subject=what, reason=f"the store does not list them: {error.problem}")]
    for one in found:
        try:
            remove(one)
        except RunbookError as error:
            left.append(Skip(subject=one.key, reason=error.problem))
        else:
            removed.append(one.key)
    return tuple(removed), left


def delete_unlocked(store: ObjectStore, found: StoredObject) -> None:
    """Deletes an object unless it is locked.

    A locked object stays visible. In a versioned bucket the store would hide it behind a delete marker.
    """
    until = store.locked_until(found.key)
    if until and until > datetime.now(UTC):
        raise Refused(f"it is locked until {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    store.delete(found.key)


@task(**OBSERVE, task_run_name="backup-of-this-run-{cluster}")
def backup_of_this_run(cluster: str, run_id: str) -> Backup | None:
    """Returns the backup that an earlier attempt of this run finished, including its manifest; None if there is none.

    If there is one, nothing has to be repeated.
    """
    backups = backups_of(open_cluster(cluster))
    mine = [found for found in backups.known() if found.run == run_id]
    made = (backups.read(found) for found in reversed(mine))
    return next((backup for backup in made if backup.flow_run == run_id), None)


@task(**ACT, task_run_name="write-manifest-{cluster}")
def write_manifest(  # noqa: PLR0913 - one for each thing that was proven
    cluster: str, snapshot: Snapshot, proof: ReadBack, drill: Drill | None, pki: Pki | None, *, run_id: str
) -> Backup:
    """Makes the verified snapshot a backup by writing its manifest.

    The manifest is the last object to be written, under a key that nobody else has.
    """
    manifest = Backup(
        id=str(snapshot.backup_id),
        cluster=cluster,
        snapshot=snapshot,
        read_back=proof,
        drill=drill,
        pki=pki,
        tool=f"kube-runbooks {__version__}",
        flow_run=run_id,
        written_at=datetime.now(UTC),
    )
    return backups_of(open_cluster(cluster)).write(snapshot.backup_id, manifest)


@task(**OBSERVE, task_run_name="find-backup-{cluster}")
def find_backup(cluster: str, backup: str = "latest") -> Backup:
    """Returns the manifest of a backup by id, or of the newest backup.

    `Refused` when there is none, or it is another cluster's.
    """
    return backups_of(open_cluster(cluster)).pick(backup)


@task(**OBSERVE, task_run_name="recent-backup-{cluster}")
def recent_backup(cluster: str, younger_than: timedelta) -> Backup | None:
    """Returns the newest verified backup of this cluster if it is recent enough to undo a risky action; else None."""
    backups = backups_of(open_cluster(cluster))
    newest = young_enough(backups.known(), now=datetime.now(UTC), younger_than=younger_than)
    return backups.read(newest) if newest else None


@task(**OBSERVE, task_run_name="prove-backup-{cluster}")
def prove_backup(cluster: str, backup: str, report: Report) -> BackupProof:
    """Proves from the store that a backup is the work of the run that reports it; `Refused` when it is another run's.

    Raises `NotYet` when its data is not there, or has another size than the manifest says.
    """
    backups = backups_of(open_cluster(cluster))
    manifest = backups.read(BackupId.model_validate(backup))
    if wrong := what_is_not_of_this_run(
        manifest, run_id=report.run_id, attempt=report.attempt, began=report.started_at
    ):
        raise Refused(wrong.text, hint=f"no backup was made: run `{run_command('etcd_backup_to_s3', cluster)}`")
    if wrong := backups.problem_of_data(manifest):
        raise NotYet(
            wrong.text,
            hint=f"find out who deletes below store.prefix, then run `{run_command('etcd_backup_to_s3', cluster)}`",
        )
    return BackupProof(
        backup=manifest.id,
        flow_run=manifest.flow_run,
        taken_at=manifest.snapshot.taken_at,
        run_began_at=report.started_at,
    )


@task(**OBSERVE, task_run_name="check-freshness-{cluster}")
def check_freshness(cluster: str) -> Freshness:
    """Returns the newest backup and its age.

    `Refused` when it is older than the profile's recovery point objective, or incomplete. A backup from the future does
    not count, and the result names it: nobody knows how old it is.
    """
    handle, now = open_cluster(cluster), datetime.now(UTC)
    known, rpo = backups_of(handle).known(), handle.profile.backup.rpo
    newest, (_, not_counted) = pick_backup(known, "latest", now=now), split_by_clock(known, now=now)
    for skip in not_counted:
        log_about(cluster).warning("%s is not counted: %s", skip.subject, skip.reason)
    if wrong := what_is_too_old(newest.taken_at, now=now, rpo=rpo, not_counted=not_counted):
        raise Refused(
            wrong.text,
            hint=f"run `{run_command('etcd_backup_to_s3', cluster)}` now, and find out why its schedule did not",
        )
    if wrong := backups_of(handle).problem_of_data(backups_of(handle).read(newest)):
        raise Refused(
            f"the newest backup, {newest}, is not whole: {wrong}",
            hint=f"run `{run_command('etcd_backup_to_s3', cluster)}` now",
        )
    return Freshness(newest=newest, age=max(now - newest.taken_at, timedelta(0)), rpo=rpo, not_counted=not_counted)


@task(**ACT, task_run_name="apply-retention-{cluster}")
def apply_retention(cluster: str, newest: str, rules: Retention | None = None) -> RetentionDecision:
    """Removes the backups that no rule keeps; `rules` default to the profile's.

    Raises `NotYet` when `newest`, which was just written, is not in the listing: then the listing is not complete.
    """
    handle = open_cluster(cluster)
    known = backups_of(handle).known()
    if newest not in {str(found) for found in known}:
        raise NotYet(f"the store does not list backup {newest} yet: nothing is removed", hint="it is tried again")
    rules, zone = rules or handle.profile.backup.retention, handle.profile.backup.time_zone
    decision = _decide(backups_of(handle), known, rules, zone)
    done = {removed.id: _remove(backups_of(handle), removed) for removed in decision.removed}
    stayed = [kept for kept in done.values() if isinstance(kept, Kept)]
    return RetentionDecision(
        kept=tuple(sorted((*decision.kept, *stayed), key=lambda kept: kept.id, reverse=True)),
        removed=tuple(removed for removed in decision.removed if not isinstance(done[removed.id], Kept)),
        left=tuple(skip for left in done.values() if not isinstance(left, Kept) for skip in left),
    )


def _decide(backups: BackupStore, known: list[BackupId], rules: Retention, time_zone: str) -> RetentionDecision:
    """Decides, queries the locks of the backups to remove, and decides again.

    A locked backup stays, and takes no other backup's slot.
    """
    now = datetime.now(UTC)
    stored = [StoredBackup(id=str(one), taken_at=one.taken_at, verified=True) for one in known]
    going = {removed.id for removed in decide_retention(stored, rules, now=now, time_zone=time_zone).removed}
    asked = [_with_lock(backups, one) if one.id in going else one for one in stored]
    return decide_retention(asked, rules, now=now, time_zone=time_zone)


def _with_lock(backups: BackupStore, stored: StoredBackup) -> StoredBackup:
    """Adds until when the backup is locked.

    A store that does not report it is no reason to stop the run. The backup stays.
    """
    try:
        until = backups.locked_until(BackupId.model_validate(stored.id))
    except RunbookError as error:
        return stored.model_copy(update={"lock_unknown": error.problem})
    return stored.model_copy(update={"locked_until": until})


def _remove(backups: BackupStore, removed: Removed) -> Kept | tuple[Skip, ...]:
    """Deletes a backup, and returns what is left of it.

    If the store does not delete it, it is kept, and the result gives the reason.
    """
    log = log_about(backups.cluster)
    try:
        left = backups.remove(BackupId.model_validate(removed.id))
    except RunbookError as error:
        log.warning("backup %s stays: %s", removed.id, error)
        refuses = "refuses to delete it" if isinstance(error, Refused) else "did not delete it now"
        return Kept(id=removed.id, reasons=(f"the store {refuses}: {error.problem}",))
    log.info("backup %s removed: %s", removed.id, removed.reason)
    for skip in left:
        log.warning("left in the store: %s: %s", skip.subject, skip.reason)
    return left


def place_of_backup(cluster: str, backup: str) -> str:
    """Returns where a backup is, as `s3://bucket/folder/`."""
    store = backups_of(open_cluster(cluster))
    return store.store.uri(f"{store.prefix}{backup}/")
