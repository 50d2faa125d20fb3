"""Stores the manifests of backups of volumes: `<prefix>/<cluster>/volumes/<id>/manifest.json`."""

from contextlib import suppress

from pydantic import ValidationError

from tasks.clients.objectstore import AlreadyThere, ObjectStore
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.volumes.models.backups import VolumeBackup, VolumeBackupId

MANIFEST = "manifest.json"


class VolumeStore:
    """Manages the manifests of one cluster."""

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store = store
        self.cluster = cluster
        self.prefix = store.key(cluster, "volumes") + "/"

    def key(self, backup: VolumeBackupId) -> str:
        """Returns the key of a manifest, which may not exist yet."""
        return f"{self.prefix}{backup}/{MANIFEST}"

    def known(self) -> list[VolumeBackupId]:
        """Returns every backup, oldest first; an incomplete listing is an error."""
        names = [found.key.removeprefix(self.prefix).split("/") for found in self.store.objects(self.prefix)]
        ids = [VolumeBackupId.parse(name[0]) for name in names if name[1:] == [MANIFEST]]
        return sorted((found for found in ids if found), key=str)

    def read(self, backup: VolumeBackupId) -> VolumeBackup:
        """Reads a manifest. `Refused` when it is not valid, or of another backup or cluster."""
        place = self.store.uri(self.key(backup))
        try:
            manifest = VolumeBackup.model_validate_json(self.store.get(self.key(backup)))
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

    def write(self, backup: VolumeBackupId, manifest: VolumeBackup) -> VolumeBackup:
        """Writes a manifest under a new key, and reads it back; `Refused` when there is another one."""
        with suppress(AlreadyThere):  # by a try of ours whose answer was lost, or by somebody else: compared below
            self.store.put_new(self.key(backup), manifest.model_dump_json(indent=2).encode(), "application/json")
        written = self.read(backup)
        if written.records != manifest.records:
            raise Refused(
                f"{self.store.uri(self.key(backup))} has other snapshots",
                hint="find what else writes there, then run the backup again",
            )
        return written


def volumes_of(handle: Cluster) -> VolumeStore:
    """Returns the backups of volumes of this cluster."""
    return VolumeStore(handle.store, handle.profile.name)
