"""Stores the manifests of backups of volumes: `<prefix>/<cluster>/volumes/<id>/manifest.json`."""

from tasks.backup.manifests import MANIFEST, ids_below, read_manifest, write_manifest
from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster
from tasks.volumes.models.backups import VolumeBackup, VolumeBackupId


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
        return ids_below(self.store, self.prefix, VolumeBackupId.parse)

    def read(self, backup: VolumeBackupId) -> VolumeBackup:
        """Reads a manifest. `Refused` when it is not valid, or of another backup or cluster."""
        key = self.key(backup)
        return read_manifest(self.store, key, VolumeBackup, backup=str(backup), cluster=self.cluster)

    def write(self, backup: VolumeBackupId, manifest: VolumeBackup) -> VolumeBackup:
        """Writes a manifest under a new key, and reads it back; `Refused` when there is another one."""
        return write_manifest(
            self.store, self.key(backup), manifest, lambda: self.read(backup), lambda one: one.records
        )


def volumes_of(handle: Cluster) -> VolumeStore:
    """Returns the backups of volumes of this cluster."""
    return VolumeStore(handle.store, handle.profile.name)
