"""Reads and writes backups of resources in the bucket: packs and the index first, the manifest last.

Their keys are `<prefix>/<cluster>/resources/<id>/{manifest.json,index.jsonl.zst,changes.json,changes.diff}` and
`<prefix>/<cluster>/resources/packs/<sha256>.tar.zst`, which backups share.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import Any

import yaml
import zstandard

from tasks.backup import manifests
from tasks.backup.archive import OtherKeyError, unseal
from tasks.backup.manifests import MANIFEST, ids_below, write_manifest
from tasks.backup.models.backups import BackupId
from tasks.backup.policy.freshness import counted_of
from tasks.clients.objectstore import AlreadyThere, ObjectStore, StoredObject
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.commands import CLUSTER, run_command
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.secrets import resolve_secret
from tasks.resources.models import Entry, Index, Manifest
from tasks.resources.packs import LARGEST, opened
from tasks.resources.policy.contents import KEYS, together

FOLDER, PACKS = "resources", "packs"
INDEX = "index.jsonl.zst"
CHANGES, DIFF, UNUSED = "changes.json", "changes.diff", "unused.json"
CORRUPT = "the store changed or lost bytes: do not trust its disks; take these objects from another backup"
LOST = "find what deletes in the bucket (a lifecycle rule?); take these objects from another backup"
SHARED = tuple(
    Entry._fields.index(name)
    for name in ("group", "version", "kind", "resource", "namespace", "pack", "sealed", "writers")
)
"""The places of those fields of an entry whose texts occur in many of them."""

LOCK_AHEAD = timedelta(hours=1)
"""Is how much longer than its manifest the files of a backup are locked: the manifest is written after them."""

LOCKS_AT_ONCE = 8

LIST = "kube-runbooks resources list CLUSTER"

JSON = dict[str, Any]


class OtherKey(Refused):
    """A pack is whole, and the identity of the profile does not decrypt it."""


class ResourceStore:
    """Manages one cluster's backups of resources in one bucket."""

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store, self.cluster = store, cluster
        self.prefix = store.key(cluster, FOLDER) + "/"

    def key(self, backup: str, name: str) -> str:
        """Returns the key of an object of a backup."""
        return f"{self.prefix}{backup}/{name}"

    def pack_key(self, name: str) -> str:
        """Returns the key of a pack."""
        return f"{self.prefix}{PACKS}/{name}"

    def objects(self) -> list[StoredObject]:
        """Returns everything that is stored; an incomplete listing is an error."""
        return self.store.objects(self.prefix)

    def packs(self) -> dict[str, int]:
        """Returns the size of each stored pack by name."""
        below = f"{self.prefix}{PACKS}/"
        return {one.key.removeprefix(below): one.size for one in self.store.objects(below)}

    def remove(self, backup: str) -> None:
        """Deletes a backup, manifest first; packs stay until no backup uses them."""
        self.store.delete(self.key(backup, MANIFEST))
        for one in self.store.objects(f"{self.prefix}{backup}/"):
            self.store.delete(one.key)

    def locked_until(self, backup: str) -> datetime | None:
        """Returns until when Object Lock keeps a manifest; None if it is not locked."""
        return self.store.locked_until(self.key(backup, MANIFEST))

    def known(self) -> tuple[BackupId, ...]:
        """Returns every backup that has a manifest, newest first."""
        return tuple(reversed(ids_below(self.store, self.prefix, BackupId.parse)))

    def head(self, backup: str) -> Manifest:
        """Reads a manifest without its entries; `Refused` when it does not exist, or is of something else."""
        key = self.key(backup, MANIFEST)
        return manifests.read_manifest(self.store, key, Manifest, backup=backup, cluster=self.cluster)

    def read(self, backup: str) -> Manifest:
        """Reads a manifest with its entries; `Refused` also when its index is not the one that was written."""
        head = self.head(backup)
        return head.model_copy(update={"entries": self.entries(head)})

    def entries(self, manifest: Manifest) -> tuple[Entry, ...]:
        """Reads the entries of a backup, also before its manifest is written."""
        key = self.key(manifest.id, INDEX)
        body = self.store.get(key)
        if hashlib.sha256(body).hexdigest() != manifest.index.sha256:
            raise Refused(f"{self.store.uri(key)} is not the index that was written: its sha256 differs", hint=CORRUPT)
        return tuple(_entries(body))

    def write_index(self, backup: str, entries: Iterable[Entry]) -> Index:
        """Stores the entries of a backup, and returns what its manifest says about them."""
        count, body = _index(entries)
        self.store.put_new(self.key(backup, INDEX), body, "application/zstd")
        return Index(sha256=hashlib.sha256(body).hexdigest(), size=len(body), entries=count)

    def lock_shared(self, manifest: Manifest, now: datetime) -> None:
        """Extends Object Lock of what a backup consists of, also of packs of earlier backups, to the end of its own lock."""
        if not (lock := self.store.store.object_lock):
            return
        until = (now + timedelta(days=lock.days) + LOCK_AHEAD).replace(microsecond=0)
        keys = [self.key(manifest.id, INDEX), *(self.pack_key(one.name) for one in manifest.packs)]
        on_all(lambda key: self.store.keep_until(key, until), keys, most=LOCKS_AT_ONCE)

    def write(self, manifest: Manifest) -> Manifest:
        """Writes the manifest, which makes the backup, and reads it back; `Refused` when there is another one."""
        key = self.key(manifest.id, MANIFEST)
        return write_manifest(self.store, key, manifest, lambda: self.head(manifest.id), lambda one: one.index)

    def put_pack(self, name: str, body: bytes) -> None:
        """Stores a pack. One that is there already has the same bytes, because its name is their digest; if it is corrupt, it is written again."""
        try:
            self.store.put_new(self.pack_key(name), body, "application/octet-stream")
        except AlreadyThere:
            if self.store.get(self.pack_key(name)) != body:
                self.store.delete(self.pack_key(name))
                self.store.put_new(self.pack_key(name), body, "application/octet-stream")

    def pack(self, name: str, wanted: Iterable[Entry] = ()) -> bytes:
        """Returns the bytes of a pack; `Refused`, with the objects that are wanted of it, if it is not whole."""
        try:
            body = self.store.get(self.pack_key(name))
        except Refused:
            if self.store.size(self.pack_key(name)) is not None:
                raise
            raise Refused(f"{self.store.uri(self.pack_key(name))} is gone{_words(wanted)}", hint=LOST) from None
        if hashlib.sha256(body).hexdigest() != name.partition(".")[0]:
            raise Refused(
                f"{self.store.uri(self.pack_key(name))} is corrupt: its sha256 differs{_words(wanted)}", hint=CORRUPT
            )
        return body

    def files(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes]]:
        """Yields the readable file of each entry, pack by pack; `Refused` if one is not what was written."""
        for name, wanted in _by_pack(entries).items():
            found = self._opened(name, self.pack(name, wanted), wanted)
            for one in wanted:
                text = found.get(one.file, b"")
                if hashlib.sha256(text).hexdigest() != one.sha256:
                    raise Refused(
                        f"{self.store.uri(self.pack_key(name))} is corrupt: {one.label} is not what was written",
                        hint=CORRUPT,
                    )
                yield one, text

    def hidden(self, entries: Iterable[Entry], identity: str) -> dict[Entry, JSON]:
        """Returns the decrypted part of these Secrets.

        `OtherKey` if the identity does not decrypt them; `Refused` if it is none, or a pack is not what was written.
        """
        told: dict[Entry, JSON] = {}
        for name, wanted in _by_pack([one for one in entries if one.sealed], sealed=True).items():
            sealed = self.pack(name, wanted)
            try:
                plain = unseal(sealed, identity)
            except OtherKeyError as error:
                raise OtherKey(
                    f"{self.store.uri(self.pack_key(name))}: {error}", hint="correct backup.identity of the profile"
                ) from None
            except ValueError as error:
                raise Refused(
                    f"{self.store.uri(self.pack_key(name))}: {error}", hint="correct backup.identity of the profile"
                ) from None
            found = self._opened(name, plain, wanted)
            told |= {one: json.loads(found[one.file]) for one in wanted}
        return told

    def _opened(self, name: str, body: bytes, wanted: list[Entry]) -> dict[str, bytes]:
        try:
            found = opened(body)
        except ValueError as error:
            raise Refused(f"{self.store.uri(self.pack_key(name))}: {error}", hint=CORRUPT) from None
        if absent := [one.label for one in wanted if one.file not in found]:
            raise Refused(f"{self.store.uri(self.pack_key(name))} does not have {listed(absent)}", hint=CORRUPT)
        return found


def _words(wanted: Iterable[Entry]) -> str:
    labels = [one.label for one in wanted]
    return f"; it has {listed(labels)}" if labels else ""


def _by_pack(entries: Iterable[Entry], *, sealed: bool = False) -> dict[str, list[Entry]]:
    by_pack: defaultdict[str, list[Entry]] = defaultdict(list)
    for one in entries:
        by_pack[one.sealed if sealed else one.pack].append(one)
    return by_pack


def _index(entries: Iterable[Entry]) -> tuple[int, bytes]:
    """Returns how many entries there are, and their index: a line with the names of the fields, then a line for each."""
    compress = zstandard.ZstdCompressor(level=9, write_checksum=True).compressobj()
    parts = [compress.compress(json.dumps(Entry._fields).encode() + b"\n")]
    count = 0
    for one in entries:
        parts.append(compress.compress(json.dumps(one, ensure_ascii=False).encode() + b"\n"))
        count += 1
    return count, b"".join([*parts, compress.flush()])


def _entries(body: bytes) -> Iterator[Entry]:
    """Yields the entries of an index. Texts that occur in many entries are kept in memory once."""
    with zstandard.ZstdDecompressor().stream_reader(body) as reader:
        held = b""
        first = True
        while piece := reader.read(LARGEST // 256):
            *lines, held = (held + piece).split(b"\n")
            for line in lines[1:] if first else lines:
                told = json.loads(line)
                for number in SHARED:
                    told[number] = intern(told[number])
                yield Entry._make(told)
            first = False


def resources_of(handle: Cluster, cluster: str = "") -> ResourceStore:
    """Returns the backups of this cluster, or of another cluster in the same bucket, below the same prefix."""
    return ResourceStore(handle.store, cluster or handle.profile.name)


def find_backups(store: ObjectStore, cluster: str) -> tuple[BackupId, ...]:
    """Returns the ids of a cluster's backups, newest first; `str(id)` is what `read_manifest` takes."""
    return ResourceStore(store, cluster).known()


def read_manifest(store: ObjectStore, cluster: str, backup_id: str) -> Manifest:
    """Returns a backup with its entries; for `latest`, the newest one. `Refused` when it does not exist, or is not whole.

    A backup from the future is never the latest: a worker's clock was wrong, and nobody knows how old it is.
    """
    resources = ResourceStore(store, cluster)
    ids = resources.known()
    known = [str(one) for one in ids]
    if not known:
        raise Refused(
            f"{resources.store.uri(resources.prefix)} has no backup of resources",
            hint=f"run `{run_command('resources_backup_to_s3', CLUSTER)}`",
        )
    asked = str(counted_of(ids, now=datetime.now(UTC))[0]) if backup_id == "latest" else backup_id
    if asked not in known:
        raise Refused(f"there is no backup {asked} of {cluster}", hint=f"name one of `{LIST}`")
    return resources.read(asked)


def read_objects(handle: Cluster, manifest: Manifest, entries: Iterable[Entry]) -> Iterator[tuple[Entry, JSON]]:
    """Yields each object with its entry, pack by pack and not in the order of `entries`.

    A Secret is whole if it has no values, or if the profile has a `backup.identity` that decrypts them. If not, it has
    `sealedKeys`, the names of its keys, and `is_without_values` says so. `Refused` names the object of a flipped bit.
    """
    store, reference = ResourceStore(handle.store, manifest.cluster), handle.profile.backup.identity
    wanted = tuple(entries)
    identity = resolve_secret(reference, "backup.identity") if reference else ""
    for one, text in store.files(one for one in wanted if not (identity and one.sealed)):
        yield one, _without_empty_keys(_parsed(text))
    for group in _by_pack((one for one in wanted if identity and one.sealed), sealed=True).values():
        try:
            hidden = store.hidden(group, identity)
        except OtherKey as error:
            log_about(manifest.cluster).warning("Secrets without their values: %s", error.problem)
            hidden = {}
        for one, text in store.files(group):
            found = _parsed(text)
            yield one, together(found, hidden[one]) if one in hidden else _without_empty_keys(found)


def is_without_values(found: JSON) -> bool:
    """Checks whether it is a Secret that `read_objects` did not decrypt."""
    return KEYS in found


def _without_empty_keys(found: JSON) -> JSON:
    """Returns an object whole if it is no Secret, or one without a value: then nothing of it is encrypted."""
    return found if found.get(KEYS) else {name: value for name, value in found.items() if name != KEYS}


def _parsed(text: bytes) -> JSON:
    found: JSON = yaml.load(text, yaml.CSafeLoader)
    return found
