"""Backups of etcd in the store: found, made by writing their manifest, kept by rules, and swept up after."""

from datetime import UTC, datetime, timedelta

from prefect import task

from tasks import __version__
from tasks.clients.backupstore import BackupStore
from tasks.cluster import open_cluster
from tasks.errors import NotYet, Refused
from tasks.logs import log_about
from tasks.models.backups import Backup, BackupId, Drill, Pki, ReadBack, Snapshot, Swept
from tasks.models.retention import Kept, Removed, Retention, RetentionDecision, StoredBackup
from tasks.policy.freshness import pick_backup, what_is_too_old
from tasks.policy.retention import decide_retention
from tasks.retries import ACT, OBSERVE


@task(**OBSERVE, task_run_name="check-store-{cluster}")
def check_store(cluster: str) -> None:
    """Proves that the bucket is there, in its region, and open to us, before a byte is read from etcd."""
    open_cluster(cluster).store.check()


@task(**ACT, task_run_name="sweep-leftovers-{cluster}")
def sweep_leftovers(cluster: str, run_id: str) -> Swept:
    """Removes what an interrupted run left: this run's own at once, others' when they are older than the profile says.

    Leftovers are unfinished uploads, and data without a manifest; neither was ever visible as a backup.
    """
    handle = open_cluster(cluster)
    now, age = datetime.now(UTC), handle.profile.backup.stale_upload_age
    uploads, data = handle.backups.leftovers(lambda backup, since: backup.run == run_id or now - since > age)
    for upload in uploads:
        handle.store.abort(upload)
    for key in data:
        handle.store.delete(key)
    return Swept(uploads=tuple(upload.key for upload in uploads), objects=tuple(data))


@task(**OBSERVE, task_run_name="backup-of-this-run-{cluster}")
def backup_of_this_run(cluster: str, run_id: str) -> Backup | None:
    """What an earlier attempt of this run finished, manifest and all: then there is nothing to do again."""
    backups = open_cluster(cluster).backups
    mine = [found for found in backups.known() if found.run == run_id]
    return backups.read(mine[-1]) if mine else None


@task(**ACT, task_run_name="write-manifest-{cluster}")
def write_manifest(  # noqa: PLR0913 - one for each thing that was proven
    cluster: str, snapshot: Snapshot, proof: ReadBack, drill: Drill | None, pki: Pki | None, *, run_id: str
) -> Backup:
    """Makes the verified snapshot a backup: the last object to be written, under a key that nobody else has."""
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
    return open_cluster(cluster).backups.write(snapshot.backup_id, manifest)


@task(**OBSERVE, task_run_name="find-backup-{cluster}")
def find_backup(cluster: str, backup: str = "latest") -> Backup:
    """The manifest of a backup by id, or of the newest; `Refused` when there is none, or it is another cluster's."""
    backups = open_cluster(cluster).backups
    return backups.read(pick_backup(backups.known(), backup))


@task(**OBSERVE, task_run_name="recent-backup-{cluster}")
def recent_backup(cluster: str, younger_than: timedelta) -> Backup | None:
    """The newest verified backup of this cluster, if it is young enough to be the way back from a risky act."""
    backups = open_cluster(cluster).backups
    known = backups.known()
    if not known:
        return None
    newest = max(known, key=str)
    return backups.read(newest) if datetime.now(UTC) - newest.taken_at <= younger_than else None


@task(**OBSERVE, task_run_name="check-freshness-{cluster}")
def check_freshness(cluster: str) -> BackupId:
    """The newest backup; `Refused` when it is older than the profile's recovery point objective."""
    handle = open_cluster(cluster)
    newest = pick_backup(handle.backups.known(), "latest")
    if wrong := what_is_too_old(newest.taken_at, now=datetime.now(UTC), rpo=handle.profile.backup.rpo):
        raise Refused(wrong, hint="run etcd_backup_to_s3 now, and find out why its schedule did not")
    return newest


@task(**ACT, task_run_name="apply-retention-{cluster}")
def apply_retention(cluster: str, newest: str, rules: Retention | None = None) -> RetentionDecision:
    """Removes the backups that no rule wants any more; `rules` default to the profile's.

    Raises `NotYet` when `newest`, which was just written, is not in the listing: then the listing is not complete.
    """
    handle = open_cluster(cluster)
    known = handle.backups.known()
    if newest not in {str(found) for found in known}:
        raise NotYet(f"the store does not list backup {newest} yet: nothing is removed", hint="it is tried again")
    rules, zone = rules or handle.profile.backup.retention, handle.profile.backup.time_zone
    decision = _decide(handle.backups, known, rules, zone)
    stayed = {removed.id: _remove(handle.backups, removed) for removed in decision.removed}
    return RetentionDecision(
        kept=tuple(sorted((*decision.kept, *filter(None, stayed.values())), key=lambda kept: kept.id, reverse=True)),
        removed=tuple(removed for removed in decision.removed if not stayed[removed.id]),
    )


def _decide(backups: BackupStore, known: list[BackupId], rules: Retention, time_zone: str) -> RetentionDecision:
    """Decides, asks for the locks of what would go, and decides again: a locked backup stays and takes nobody's place."""
    now = datetime.now(UTC)

    def decide(locks: dict[BackupId, datetime | None]) -> RetentionDecision:
        stored = [
            StoredBackup(id=str(one), taken_at=one.taken_at, verified=True, locked_until=locks.get(one))
            for one in known
        ]
        return decide_retention(stored, rules, now=now, time_zone=time_zone)

    going = {removed.id for removed in decide({}).removed}
    return decide({one: backups.locked_until(one) for one in known if str(one) in going})


def _remove(backups: BackupStore, removed: Removed) -> Kept | None:
    """Deletes a backup; one that the store does not let us delete is kept, and said so."""
    log = log_about(backups.cluster)
    backup = BackupId.parse(removed.id)
    try:
        if backup:
            backups.remove(backup)
    except Refused as error:
        log.warning("backup %s stays: %s", removed.id, error)
        return Kept(id=removed.id, reasons=(f"the store refuses to delete it: {error.problem}",))
    log.info("backup %s removed: %s", removed.id, removed.reason)
    return None


def place_of_backup(cluster: str, backup: str) -> str:
    """Where a backup is, as `s3://bucket/folder/`."""
    store = open_cluster(cluster).backups
    return store.store.uri(f"{store.prefix}{backup}/")
