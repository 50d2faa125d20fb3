"""Backups as they lie in the bucket: a folder each, data first, manifest last. No manifest, no backup."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from tasks.clients.objectstore import AlreadyThere, ObjectStore, UnfinishedUpload
from tasks.errors import Refused
from tasks.models.backups import Backup, BackupId

MANIFEST, DATA, PKI = "manifest.json", "snapshot.db.zst", "pki.tar.age"


class BackupStore:
    """The etcd backups of one cluster: `<prefix>/<cluster>/etcd/<id>/{snapshot.db.zst,pki.tar.age,manifest.json}`."""

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store = store
        self.cluster = cluster
        self.prefix = store.key(cluster, "etcd") + "/"

    def data_key(self, backup: BackupId) -> str:
        """Where the compressed snapshot of a backup is, or will be."""
        return f"{self.prefix}{backup}/{DATA}"

    def pki_key(self, backup: BackupId) -> str:
        """Where the encrypted key material of a backup is, if it has any."""
        return f"{self.prefix}{backup}/{PKI}"

    def manifest_key(self, backup: BackupId) -> str:
        """Where the manifest of a backup is, or will be."""
        return f"{self.prefix}{backup}/{MANIFEST}"

    def known(self) -> list[BackupId]:
        """Every backup, that is every manifest, oldest first; an incomplete listing is an error."""
        names = [found.key.removeprefix(self.prefix).split("/") for found in self.store.objects(self.prefix)]
        ids = [BackupId.parse(name[0]) for name in names if name[1:] == [MANIFEST]]
        return sorted((found for found in ids if found), key=str)

    def read(self, backup: BackupId) -> Backup:
        """The manifest of a backup; `Refused` when it is not there, not ours, or of another backup or cluster."""
        place = self.store.uri(self.manifest_key(backup))
        try:
            manifest = Backup.model_validate_json(self.store.get(self.manifest_key(backup)))
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, wrong["loc"])) or "not JSON" for wrong in error.errors())
            raise Refused(
                f"{place} is no manifest of ours: {fields}", hint="name another backup, or take a new one"
            ) from None
        if (manifest.id, manifest.cluster) != (str(backup), self.cluster):
            raise Refused(
                f"{place} is the manifest of backup {manifest.id} of cluster {manifest.cluster}",
                hint="somebody moved it there: name another backup",
            )
        return manifest

    def write(self, backup: BackupId, manifest: Backup) -> Backup:
        """Writes the manifest, which makes the backup, and reads it back; `Refused` when there is another one."""
        key, body = self.manifest_key(backup), manifest.model_dump_json(indent=2).encode()
        with suppress(AlreadyThere):  # by a try of ours whose answer was lost, or by somebody else: compared below
            self.store.put_new(key, body, "application/json")
        written = self.read(backup)
        if (written.snapshot, written.pki) != (manifest.snapshot, manifest.pki):
            raise Refused(
                f"{self.store.uri(self.manifest_key(backup))} is of another snapshot",
                hint="look at what else writes there, then run the backup again",
            )
        return written

    def locked_until(self, backup: BackupId) -> datetime | None:
        """Until when Object Lock keeps a backup: the latest of its objects."""
        locks = [self.store.locked_until(one.key) for one in self.store.objects(f"{self.prefix}{backup}/")]
        return max((lock for lock in locks if lock), default=None)

    def remove(self, backup: BackupId) -> None:
        """Deletes a backup, manifest first: cut off in the middle, it leaves data that is no backup and is swept."""
        for key in (self.manifest_key(backup), self.data_key(backup), self.pki_key(backup)):
            self.store.delete(key)

    def leftovers(self, is_stale: Callable[[BackupId, datetime], bool]) -> tuple[list[UnfinishedUpload], list[str]]:
        """Unfinished uploads, and keys of data without a manifest, that are stale by id and age."""

        def is_leftover(key: str, since: datetime) -> bool:
            found = BackupId.parse(key.removeprefix(self.prefix).partition("/")[0])
            return found is not None and is_stale(found, since)

        uploads = [one for one in self.store.unfinished_uploads(self.prefix) if is_leftover(one.key, one.started_at)]
        objects = self.store.objects(self.prefix)
        complete = {one.key.rpartition("/")[0] for one in objects if one.key.endswith(f"/{MANIFEST}")}
        data = [one for one in objects if one.key.endswith((f"/{DATA}", f"/{PKI}"))]
        orphans = [one for one in data if one.key.rpartition("/")[0] not in complete]
        return uploads, [one.key for one in orphans if is_leftover(one.key, one.modified_at)]
