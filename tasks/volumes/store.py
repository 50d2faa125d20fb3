"""Stores the manifests of backups of volumes, and their archives.

The manifests are `<prefix>/<cluster>/volumes/<id>/manifest.json`. The archives have the id of their run:
`<prefix>/<cluster>/volumes/archives/<run>/<namespace>.<claim>-<time>.tar.zst` and `.list.zst`.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.backup.manifests import MANIFEST, ids_below, read_manifest, write_manifest
from tasks.clients.objectstore import ObjectStore, StoredObject, UnfinishedUpload
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.volumes.models.backups import VolumeBackup, VolumeBackupId
from tasks.volumes.models.facts import Claim

ARCHIVES = "archives"


class VolumeStore:
    """Manages the manifests of one cluster."""

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store = store
        self.cluster = cluster
        self.prefix = store.key(cluster, "volumes") + "/"

    def key(self, backup: VolumeBackupId) -> str:
        """Returns the key of a manifest, which may not exist yet."""
        return f"{self.prefix}{backup}/{MANIFEST}"

    def archive_keys(self, run: str, claim: Claim, now: datetime) -> tuple[str, str]:
        """Returns the keys of a new archive and of its list."""
        stem = f"{self.prefix}{ARCHIVES}/{run}/{claim.namespace}.{claim.name}-{now:%Y%m%dT%H%M%S.%fZ}"
        return f"{stem}.tar.zst", f"{stem}.list.zst"

    def archive_objects(self, run: str = "") -> list[StoredObject]:
        """Returns the objects of archives, of one run or of all."""
        return self.store.objects(self._archives(run))

    def archive_uploads(self, run: str = "") -> list[UnfinishedUpload]:
        """Returns the unfinished uploads of archives, of one run or of all."""
        return self.store.unfinished_uploads(self._archives(run))

    def _archives(self, run: str) -> str:
        return f"{self.prefix}{ARCHIVES}/" + (f"{run}/" if run else "")

    def run_of(self, key: str) -> str:
        """Returns the run of an object of an archive; empty if the key is none of ours."""
        found = re.fullmatch(rf"{re.escape(self._archives(''))}([0-9a-f-]{{36}})/[^/]+\.zst", key)
        return found[1] if found else ""

    def own_keys(self, manifest: VolumeBackup) -> list[str]:
        """Returns the keys of the objects of a backup's archives. A key that names another run's object is not among them."""
        named = [key for one in manifest.archives for key in (one.data_key, one.list_key)]
        return [key for key in named if self.run_of(key) == manifest.flow_run]

    def known(self) -> list[VolumeBackupId]:
        """Returns every backup, oldest first; an incomplete listing is an error."""
        return ids_below(self.store, self.prefix, VolumeBackupId.parse)

    def read(self, backup: VolumeBackupId) -> VolumeBackup:
        """Reads a manifest. `Refused` when it is not valid, or of another backup or cluster."""
        key = self.key(backup)
        return read_manifest(self.store, key, VolumeBackup, backup=str(backup), cluster=self.cluster)

    def newest_first(self, known: Sequence[VolumeBackupId]) -> Iterator[VolumeBackup]:
        """Reads the manifests one after another. One that cannot be read can restore nothing."""
        for one in reversed(known):
            try:
                yield self.read(one)
            except Refused as error:
                log_about(str(one)).warning("its manifest cannot be read: %s", error.problem)

    def write(self, backup: VolumeBackupId, manifest: VolumeBackup) -> VolumeBackup:
        """Writes a manifest under a new key, and reads it back; `Refused` when there is another one."""
        return write_manifest(
            self.store,
            self.key(backup),
            manifest,
            lambda: self.read(backup),
            lambda one: (one.records, one.archives),
        )


def volumes_of(handle: Cluster) -> VolumeStore:
    """Returns the backups of volumes of this cluster."""
    return VolumeStore(handle.store, handle.profile.name)
