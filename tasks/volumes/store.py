"""Stores the manifests of backups of volumes, and their archives.

The manifests are `<prefix>/<cluster>/volumes/<id>/manifest.json`. The archives have the id of their run:
`<prefix>/<cluster>/volumes/archives/<run>/<namespace>.<claim>-<time>.tar.zst` and `.list.zst`, and `.json` as soon as both are whole.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tasks.backup.manifests import MANIFEST, ids_below, read_manifest, write_manifest
from tasks.backup.policy.freshness import counted_of
from tasks.clients.objectstore import ObjectStore, StoredObject, UnfinishedUpload
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.run.reports import read_kept
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import VolumeBackup, VolumeBackupId
from tasks.volumes.models.facts import Claim

ARCHIVES = "archives"
DATA, NOTE = ".tar.zst", ".json"


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
        return f"{stem}{DATA}", f"{stem}.list.zst"

    def note(self, archive: Archive) -> None:
        """Notes beside an archive that it is whole, for the next attempt of its run."""
        self.store.put(_note_key(archive), archive.model_dump_json(indent=2).encode(), "application/json")

    def noted(self, run: str) -> list[Archive]:
        """Returns the whole archives of a run. A note that cannot be read counts as none."""
        keys = [one.key for one in self.archive_objects(run) if one.key.endswith(NOTE)]
        return [one for one in (read_kept(self.store, key, Archive) for key in keys) if one]

    def keys_of(self, archive: Archive) -> tuple[str, ...]:
        """Returns the keys of an archive, of its list and of its note."""
        return archive.data_key, archive.list_key, _note_key(archive)

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
        found = re.fullmatch(rf"{re.escape(self._archives(''))}([0-9a-f-]{{36}})/[^/]+\.(?:zst|json)", key)
        return found[1] if found else ""

    def own_keys(self, manifest: VolumeBackup) -> list[str]:
        """Returns the keys of the objects of a backup's archives. A key that names another run's object is not among them."""
        named = [key for one in manifest.archives for key in self.keys_of(one)]
        return [key for key in named if self.run_of(key) == manifest.flow_run]

    def known(self) -> list[VolumeBackupId]:
        """Returns every backup, oldest first; an incomplete listing is an error."""
        return ids_below(self.store, self.prefix, VolumeBackupId.parse)

    def counted(self) -> list[VolumeBackupId]:
        """Returns the backups whose time can be true, newest first; all of them if there is no other.

        One from the future is never the latest: a worker's clock was wrong, and nobody knows how old it is.
        """
        return counted_of(self.known(), now=datetime.now(UTC))

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


def _note_key(archive: Archive) -> str:
    return archive.data_key.removesuffix(DATA) + NOTE


def volumes_of(handle: Cluster) -> VolumeStore:
    """Returns the backups of volumes of this cluster."""
    return VolumeStore(handle.store, handle.profile.name)
