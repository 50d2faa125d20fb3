"""Stores backups in the bucket: a folder each, data first, manifest last; without a manifest it is no backup."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from tasks.backup.manifests import MANIFEST, ids_below, read_manifest, write_manifest
from tasks.backup.models.backups import Backup, BackupId
from tasks.backup.policy.freshness import pick_backup, split_by_clock
from tasks.clients.objectstore import ObjectStore, StoredObject, UnfinishedUpload
from tasks.cluster import Cluster
from tasks.core.errors import Refused, RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Skip

log = logging.getLogger("kube_runbooks.backups")

DATA, PKI = "snapshot.db.zst", "pki.tar.age"


class BackupStore:
    """Manages one cluster's etcd backups.

    Their keys are `<prefix>/<cluster>/etcd/<id>/{snapshot.db.zst,pki.tar.age,manifest.json}`.
    """

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store = store
        self.cluster = cluster
        self.prefix = store.key(cluster, "etcd") + "/"

    def data_key(self, backup: BackupId) -> str:
        """Returns the key of a backup's compressed snapshot, which may not exist yet."""
        return f"{self.prefix}{backup}/{DATA}"

    def pki_key(self, backup: BackupId) -> str:
        """Returns the key of a backup's encrypted key material, if it has any."""
        return f"{self.prefix}{backup}/{PKI}"

    def manifest_key(self, backup: BackupId) -> str:
        """Returns the key of a backup's manifest, which may not exist yet."""
        return f"{self.prefix}{backup}/{MANIFEST}"

    def known(self) -> list[BackupId]:
        """Returns every backup that has a manifest, oldest first; an incomplete listing is an error."""
        return ids_below(self.store, self.prefix, BackupId.parse)

    def read(self, backup: BackupId) -> Backup:
        """Reads the manifest of a backup.

        `Refused` when it is not there, not a valid manifest, or of another backup or cluster.
        """
        key = self.manifest_key(backup)
        return read_manifest(self.store, key, Backup, backup=str(backup), cluster=self.cluster)

    def pick(self, asked: str) -> Backup:
        """Returns the manifest of the backup that `asked` names, or of the newest for `latest`.

        `Refused` when there is none.
        """
        known, now = self.known(), datetime.now(UTC)
        if asked == "latest":
            for skip in split_by_clock(known, now=now)[1]:
                log.warning("%s: %s is not taken for the latest: %s", self.cluster, skip.subject, skip.reason)
        return self.read(pick_backup(known, asked, now=now))

    def problem_of_data(self, backup: Backup) -> Problem | None:
        """Returns why the data of a backup cannot be what its manifest says, by its sizes alone; None if it can."""
        wanted = {backup.snapshot.key: backup.snapshot.stored.size}
        if backup.pki:
            wanted[backup.pki.key] = backup.pki.stored.size
        found = {key: self.store.size(key) for key in wanted}
        wrong = "; ".join(
            f"{self.store.uri(key)} does not exist"
            if found[key] is None
            else f"{self.store.uri(key)} has {found[key]} bytes, the manifest says {size}"
            for key, size in wanted.items()
            if found[key] != size
        )
        return Problem(text=wrong) if wrong else None

    def write(self, backup: BackupId, manifest: Backup) -> Backup:
        """Writes the manifest, which makes the backup, and reads it back; `Refused` when there is another one."""
        key = self.manifest_key(backup)
        return write_manifest(self.store, key, manifest, lambda: self.read(backup), lambda one: (one.snapshot, one.pki))

    def locked_until(self, backup: BackupId) -> datetime | None:
        """Returns until when Object Lock keeps a backup: the latest lock of its objects; None if none is locked."""
        locks = [self.store.locked_until(one.key) for one in self.store.objects(f"{self.prefix}{backup}/")]
        return max((lock for lock in locks if lock), default=None)

    def remove(self, backup: BackupId) -> tuple[Skip, ...]:
        """Deletes a backup, manifest first; an interrupted deletion leaves data that is no backup and is swept later.

        The object that was written last goes first. A store that forbids deletion by age therefore refuses the
        manifest, and nothing has changed. If it refuses only the data, the manifest is put back. `Refused` means that
        the backup is whole. Data that stays although it is no backup any more is returned, with the store's reason.
        """
        manifest, stored = self.manifest_key(backup), self._keys_of(backup)
        body = self.store.get(manifest) if manifest in stored else b""
        self.store.delete(manifest)
        data = [key for key in (self.pki_key(backup), self.data_key(backup)) if key in stored]
        for number, key in enumerate(data):
            try:
                self.store.delete(key)
            except RunbookError as error:
                if isinstance(error, Refused) and number == 0 and self._put_back(manifest, body):
                    raise
                return tuple(Skip(subject=left, reason=error.problem) for left in data[number:])
        return ()

    def _put_back(self, manifest: str, body: bytes) -> bool:
        """Puts back the manifest of a backup whose data is complete; returns whether it is there again."""
        if body:
            with suppress(RunbookError):
                self.store.put_new(manifest, body, "application/json")
                return True
        return False

    def _keys_of(self, backup: BackupId) -> set[str]:
        return {found.key for found in self.store.objects(f"{self.prefix}{backup}/")}

    def stale_uploads(self, is_stale: Callable[[BackupId, datetime], bool]) -> list[UnfinishedUpload]:
        """Returns unfinished uploads of backups that are stale by id and age."""
        found = self.store.unfinished_uploads(self.prefix)
        return [one for one in found if self._is_stale(one.key, one.started_at, is_stale)]

    def stale_data(self, is_stale: Callable[[BackupId, datetime], bool]) -> list[StoredObject]:
        """Returns data without a manifest, of backups that are stale by id and age."""
        objects = self.store.objects(self.prefix)
        complete = {one.key.rpartition("/")[0] for one in objects if one.key.endswith(f"/{MANIFEST}")}
        data = [one for one in objects if one.key.endswith((f"/{DATA}", f"/{PKI}"))]
        orphans = [one for one in data if one.key.rpartition("/")[0] not in complete]
        return [one for one in orphans if self._is_stale(one.key, one.modified_at, is_stale)]

    def _is_stale(self, key: str, since: datetime, is_stale: Callable[[BackupId, datetime], bool]) -> bool:
        found = BackupId.parse(key.removeprefix(self.prefix).partition("/")[0])
        return found is not None and is_stale(found, since)


def backups_of(handle: Cluster, cluster: str = "") -> BackupStore:
    """Returns the backups of this cluster, or of another cluster in the same bucket, below the same prefix."""
    return BackupStore(handle.store, cluster or handle.profile.name)
