"""Runs restore drills: restores a backup into a scratch etcd, and compares its key space with the live member's."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from tasks.backup.models.backups import BackupPlan, Drill, Snapshot
from tasks.backup.scratch_etcd import find_binaries, require_space, restore, scratch_etcd, scratch_folder
from tasks.backup.snapshots import snapshot_bytes
from tasks.clients.etcd import EtcdClient
from tasks.cluster import open_cluster
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.core.models.etcd import KeySpaceHash
from tasks.core.retries import ACT, OBSERVE
from tasks.core.settings import Settings


@task(**OBSERVE, task_run_name="check-drill-tools")
def check_drill_tools(plan: BackupPlan) -> None:
    """Proves that this worker has etcd of the right minor version and space for a drill.

    This happens before anything is streamed.
    """
    settings = Settings()
    for status in (member.status for member in plan.sources if member.status):
        find_binaries(_minor(status.version), settings.bin)
        require_space(settings.scratch, database_bytes=status.db_size)


@task(**ACT, task_run_name="restore-drill-{cluster}")
def restore_drill(cluster: str, snapshot: Snapshot) -> Drill:
    """Restores the stored snapshot into a scratch etcd on this worker, and proves that its key space is the live one's.

    Two values must be equal: the number of keys, and the hash of everything up to the snapshot's revision. Both hashes
    are taken at the same compaction.
    """
    settings, started = Settings(), datetime.now(UTC)
    binaries = find_binaries(_minor(snapshot.etcd_version), settings.bin)
    with scratch_folder(settings.scratch, database_bytes=snapshot.plain.size) as folder:
        _download(cluster, snapshot, folder / "snapshot.db")
        restore(binaries, folder / "snapshot.db")
        with scratch_etcd(binaries, folder) as etcd:
            restored_revision = etcd.revision()
            restored_hash = _hash_at(etcd, snapshot.live_hash)
            restored_keys = etcd.count(snapshot.revision)
    drill = Drill(
        backup_id=snapshot.backup_id,
        revision=snapshot.revision,
        restored_revision=restored_revision,
        restored_keys=restored_keys,
        restored_hash=restored_hash,
        live_hash=snapshot.live_hash,
        etcd_version=binaries.version,
        took=datetime.now(UTC) - started,
    )
    _refuse_if_different(snapshot, drill)
    log_about(cluster).info(
        "backup %s was restored: %d keys, hash %d as live", drill.backup_id, restored_keys, restored_hash.hash
    )
    return drill


def _hash_at(etcd: EtcdClient, live: KeySpaceHash) -> KeySpaceHash:
    """Returns the hash at the live member's revision and compaction.

    The live member may have compacted further in the meantime.
    """
    restored = etcd.hash_kv(live.revision)
    if restored.compact_revision >= live.compact_revision:
        return restored
    etcd.compact(live.compact_revision)
    return etcd.hash_kv(live.revision)


def _refuse_if_different(snapshot: Snapshot, drill: Drill) -> None:
    told = [
        problem
        for holds, problem in (
            (drill.restored_revision < snapshot.revision, f"it ends at revision {drill.restored_revision}"),
            (
                drill.restored_keys != snapshot.key_count,
                f"it has {drill.restored_keys} keys, the live member had {snapshot.key_count}",
            ),
            (
                drill.restored_hash != drill.live_hash,
                f"its hash is {drill.restored_hash}, the live member's was {drill.live_hash}",
            ),
        )
        if holds
    ]
    if told:
        raise Refused(
            f"restore drill of backup {snapshot.backup_id}: at revision {snapshot.revision} {'; '.join(told)}",
            hint="do not use this backup: run `kube-runbooks run etcd-backup CLUSTER --member NAME` with another member, then "
            "`kube-runbooks run etcd-health CLUSTER`",
        )


def _download(cluster: str, snapshot: Snapshot, path: Path) -> None:
    """Writes the snapshot as etcd sent it, and checks every byte on the way."""
    with _disk_in_our_words(path), path.open("wb") as file:
        for piece in snapshot_bytes(open_cluster(cluster).store, snapshot):
            file.write(piece)


@contextmanager
def _disk_in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise Refused(
            f"{path.parent}: {error.strerror}", hint="free space for the drill (KUBE_RUNBOOKS_SCRATCH)"
        ) from error


def _minor(version: str) -> str:
    """Returns the minor version of the server that took the snapshot.

    After an upgrade its storage version may still be the previous minor version.
    """
    return ".".join(version.split(".")[:2])
