"""Checks whether a stream of bytes is a whole, undamaged etcd snapshot: the database, then its sha256."""

import hashlib

from tasks.backup.models.backups import Digest
from tasks.core.errors import NotYet
from tasks.core.models.etcd import TRAILER_BYTES, MemberStatus
from tasks.core.models.findings import Problem

CORRUPT = (
    "this is not a backup: the store changed or lost bytes. Check the disks of the store, then run "
    "`kube-runbooks run etcd-backup CLUSTER` again"
)
"""Says what to do if the store does not give back what was stored."""

PAGE_BYTES = 512
"""This is the unit of etcd's own sanity check in bytes.

A database is a multiple of 512 bytes, so a snapshot is 32 bytes more than a multiple.
"""


class SnapshotCheck:
    """Recomputes etcd's sha256 trailer over a stream of any chunk sizes, and holds back only 32 bytes.

    `etcdutl snapshot status` does not do this: it accepts a snapshot with a flipped bit.
    """

    def __init__(self) -> None:
        self._database = hashlib.sha256()
        self._tail = b""
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Takes the next bytes of the stream."""
        self._size += len(chunk)
        if len(chunk) >= TRAILER_BYTES:
            self._database.update(self._tail)
            self._database.update(memoryview(chunk)[:-TRAILER_BYTES])
            self._tail = chunk[-TRAILER_BYTES:]
        else:
            held = self._tail + chunk
            self._database.update(held[:-TRAILER_BYTES])
            self._tail = held[-TRAILER_BYTES:]

    def finish(self, *, announced: int | None = None) -> Digest:
        """Returns the digest of the whole snapshot once it is proven to be one.

        `NotYet` with the numbers when it is not.
        """
        if announced is not None and self._size != announced:
            raise NotYet(
                f"the snapshot is cut short: {self._size} bytes came of {announced} that etcd announced",
                hint="the connection to the member was lost; the snapshot is taken again",
            )
        if self._size % PAGE_BYTES != TRAILER_BYTES:
            raise NotYet(
                f"this is no etcd snapshot: {self._size} bytes are not whole pages of {PAGE_BYTES} and a sha256 of {TRAILER_BYTES}",
                hint="the snapshot is taken again",
            )
        if self._database.digest() != self._tail:
            raise NotYet(
                f"the snapshot is corrupt: etcd sent sha256 {self._tail.hex()}, the bytes that came have {self._database.hexdigest()}",
                hint="a bit was changed on the way; the snapshot is taken again. If it stays so, suspect the member's memory or disk",
            )
        whole = self._database.copy()
        whole.update(self._tail)
        return Digest(size=self._size, sha256=whole.hexdigest())


def what_is_implausible(size: int, before: MemberStatus) -> Problem | None:
    """Returns why a snapshot of `size` bytes cannot come from a member with this status; None if it can.

    A snapshot has the pages up to the high-water mark: at least those in use, at most the file. Between status and
    snapshot a defragmentation may shrink the file, a compaction may free pages, and writes may grow both. Hence the
    factor of two on either side, and 64 MiB for small databases.
    """
    at_least, at_most = before.db_size_in_use // 2, before.db_size * 2 + 64 * 2**20
    if at_least <= size <= at_most:
        return None
    return Problem(
        text=f"the snapshot has {size} bytes, and the member reported a database of {before.db_size} bytes "
        f"with {before.db_size_in_use} in use: {at_least} to {at_most} are plausible"
    )
