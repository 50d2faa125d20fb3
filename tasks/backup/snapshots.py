"""Moves a snapshot from a member into the store and out again: hashed, compressed, checked, and never on a disk."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import zstandard
from prefect import task

from tasks.backup.models.backups import BackupId, BackupPlan, Digest, ReadBack, Snapshot
from tasks.backup.node_snapshots import read_back_by_node, snapshot_by_node
from tasks.backup.policy.snapshots import CORRUPT, SnapshotCheck, what_is_implausible
from tasks.backup.sources import Source, first_fit_source, origin_of
from tasks.backup.store import backups_of
from tasks.clients.etcd import Compacted, EtcdClient, SnapshotStream
from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster, open_cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import KeySpaceHash
from tasks.core.models.profile import Route
from tasks.core.retries import ACT
from tasks.run.reports import Progress, progress

ZSTD_LEVEL = 1
"""Sets the compression level; level 3 took 30 % more CPU for no smaller object on Kubernetes-like data."""

HASH_ATTEMPTS = 20
"""Limits the attempts to pin a revision before a compaction passes it.

Kubernetes compacts every 5 minutes, so one attempt is enough there. A cluster that compacts ten times a second needs
two or three, each of a few milliseconds.
"""

STREAM_PIECE = 2**18
"""This is the number of bytes to hash and compress at once; etcd's 32 KiB messages are joined to save calls."""


@task(**ACT, task_run_name="take-snapshot-{cluster}")
def take_snapshot(cluster: str, plan: BackupPlan, run_id: str, *, allow_no_quorum: bool = False) -> Snapshot:
    """Streams a member's snapshot into the store, or with the route `node` lets the node send it there.

    A stream needs no disk, and its memory does not grow with the database.

    A stream may end early, have a wrong sha256 trailer, or have an impossible size. It then leaves nothing behind: its
    upload is aborted, or its object is deleted. A second attempt takes the next member of the plan if the first is no
    longer fit.
    """
    handle = open_cluster(cluster)
    with first_fit_source(handle, plan, allow_no_quorum=allow_no_quorum) as source:
        if source.member.route is Route.NODE:
            return snapshot_by_node(handle, plan, source, run_id)
        return _stream(handle, plan, source, run_id)


def _stream(handle: Cluster, plan: BackupPlan, source: Source, run_id: str) -> Snapshot:
    member, status = source.member, source.status
    with _pinned_snapshot(source.client) as pinned:
        taken_at = datetime.now(UTC).replace(microsecond=0)
        backup_id = BackupId(taken_at=taken_at, revision=pinned.revision, run=run_id)
        key = backups_of(handle).data_key(backup_id)
        plain, stored = _upload(handle, key, pinned.stream, member.label)
        try:
            live_hash = pinned.live_hash()
            if wrong := what_is_implausible(plain.size, status):
                raise NotYet(
                    f"{member.label}: {wrong}", hint="check the log of this member; the run takes the snapshot again"
                )
        except RunbookError:
            _leave_nothing(handle, key)
            raise
    took = datetime.now(UTC) - taken_at
    log_about(member.label).info(
        "streamed %d bytes as %d in %s to %s", plain.size, stored.size, took, handle.store.uri(key)
    )
    return Snapshot(
        backup_id=backup_id,
        key=key,
        cluster_id=plan.cluster_id,
        member=member.name,
        member_id=member.id,
        route=member.route or Route.DIRECT,
        node=member.node,
        etcd_version=status.version,
        storage_version=pinned.stream.storage_version or status.storage_version,
        revision=pinned.revision,
        newest_revision=pinned.newest_revision,
        key_count=pinned.keys,
        live_hash=live_hash,
        origin=origin_of(handle, source),
        plain=plain,
        stored=stored,
        taken_at=taken_at,
        took=took,
    )


def _leave_nothing(handle: Cluster, key: str) -> None:
    """Deletes an object that is no backup.

    If the store refuses, the original reason must stay visible, and the next member must still get its attempt.
    """
    try:
        handle.store.delete(key)
    except RunbookError as error:
        log_about(handle.profile.name).warning("left in the store: %s: %s", key, error)


@task(**ACT, task_run_name="read-back-{cluster}")
def read_back(cluster: str, snapshot: Snapshot) -> ReadBack:
    """Reads the whole stored object, and proves that it has the bytes that were sent, with the snapshot from etcd."""
    handle, started = open_cluster(cluster), datetime.now(UTC)
    if snapshot.route is Route.NODE:
        read_back_by_node(handle, snapshot)
    else:
        for _ in snapshot_bytes(handle.store, snapshot):
            pass
    return ReadBack(stored=snapshot.stored, plain=snapshot.plain, took=datetime.now(UTC) - started)


@dataclass(frozen=True)
class _Pinned:
    """Holds an open snapshot, a revision that it certainly contains, and the live member's hash at that revision."""

    stream: SnapshotStream
    revision: int
    newest_revision: int
    keys: int
    live_hash: Callable[[], KeySpaceHash]


@contextmanager
def _pinned_snapshot(client: EtcdClient) -> Iterator[_Pinned]:
    """Opens a snapshot between two reads of the revision, and lets the member hash the earlier one while it streams.

    The member does not report the revision of a snapshot. A revision read before is certainly in it. The hash at that
    revision is requested as soon as the snapshot is open. Later, a compaction may have passed it, and then there is no
    hash any more.
    """
    for _ in range(HASH_ATTEMPTS):
        revision = client.revision()
        with client.snapshot() as stream:
            live_hash = client.hash_kv_later(revision)
            try:
                keys = client.count(revision)
            except Compacted:
                continue
            yield _Pinned(stream, revision, client.revision(), keys, live_hash)
            return
    raise NotYet(
        f"{client.member}: compaction passed the snapshot's revision {HASH_ATTEMPTS} times in a row",
        hint="find the client that compacts all the time (audit log of etcd): Kubernetes compacts every 5 minutes",
    )


def _upload(handle: Cluster, key: str, stream: SnapshotStream, member: str) -> tuple[Digest, Digest]:
    """Uploads the snapshot, and returns the digests of the snapshot and of its compressed form.

    The object appears only if the trailer is right.
    """
    check, stored = SnapshotCheck(), _Counted()
    with progress(f"{handle.profile.name}-etcd-snapshot", f"snapshot of {member}", stream.announced_bytes) as bar:
        handle.store.upload(
            key, stored.of(_compressed(_in_pieces(stream.chunks()), check, stream.announced_bytes, bar))
        )
    return check.finish(announced=stream.announced_bytes), stored.digest()


def _compressed(pieces: Iterator[bytes], check: SnapshotCheck, announced: int, bar: Progress) -> Iterator[bytes]:
    """Yields zstd frames of the pieces; at the end the check decides, before the upload can become an object."""
    compress = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()
    for piece in pieces:
        check.update(piece)
        bar.advance(len(piece))
        if frame := compress.compress(piece):
            yield frame
    check.finish(announced=announced)
    yield compress.flush()


def _in_pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= STREAM_PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


class _Counted:
    """Counts the size and sha256 of the bytes that pass through."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size = 0

    def of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._sha256.update(chunk)
            self._size += len(chunk)
            yield chunk

    def digest(self) -> Digest:
        return Digest(size=self._size, sha256=self._sha256.hexdigest())


def snapshot_bytes(store: ObjectStore, snapshot: Snapshot) -> Iterator[bytes]:
    """Yields the snapshot from the store.

    At the end it raises `Refused`, with both digests, unless every byte is the one that was sent.
    """
    stored, check, harm = _Counted(), SnapshotCheck(), ""
    decompress = zstandard.ZstdDecompressor().decompressobj()
    for chunk in stored.of(store.read(snapshot.key)):
        if harm:
            continue  # the rest is read for its digest
        try:
            piece = decompress.decompress(chunk)
        except zstandard.ZstdError as error:
            harm = f", and it cannot be decompressed ({error})"
            continue
        check.update(piece)
        yield piece
    if stored.digest() != snapshot.stored:
        raise Refused(
            f"{store.uri(snapshot.key)} is corrupt: stored were {_in_words(snapshot.stored)}, "
            f"read back were {_in_words(stored.digest())}{harm}",
            hint=CORRUPT,
        )
    if (plain := check.finish()) != snapshot.plain:
        raise Refused(
            f"{store.uri(snapshot.key)} holds {_in_words(plain)}, expected were {_in_words(snapshot.plain)}",
            hint=CORRUPT,
        )


def _in_words(digest: Digest) -> str:
    return f"{digest.size} bytes with sha256 {digest.sha256}"
