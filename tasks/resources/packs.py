"""Collects files into packs: compressed archives of about 1 MiB, each named by the sha256 of its bytes."""

import hashlib
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime

import zstandard

from tasks.backup.archive import pack, unpack

PACK_BYTES = 2**20
"""Is the size, in bytes before compression, at which a pack is closed: a backup of 30,000 objects has some thirty packs."""

LEVEL = 9
"""Sets the compression level: packs are small and stay for months."""

LARGEST = 2**28
"""Limits the size of an opened pack, in bytes; an object of the API has at most 1.5 MiB, or 3 MiB as a custom resource."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Is the time of every file, so that equal files give equal bytes."""


class Packer:
    """Closes a pack as soon as it is large enough, and says which pack each file is in."""

    def __init__(self, keep: Callable[[str, bytes, int], None], seal: Callable[[bytes], bytes] | None = None) -> None:
        """Stores where a pack goes: `keep` gets its name, its bytes and the number of its files."""
        self._keep, self._seal = keep, seal
        self._files: dict[str, bytes] = {}
        self._told: list[Callable[[str], None]] = []
        self._size = 0

    def add(self, path: str, content: bytes, tell: Callable[[str], None]) -> None:
        """Adds a file; `tell` is called with the name of its pack once that is known."""
        if path in self._files:
            self.close()
        self._files[path] = content
        self._told.append(tell)
        self._size += len(content)
        if self._size >= PACK_BYTES:
            self.close()

    def close(self) -> None:
        """Closes the pack that is open, if there is one."""
        if not self._files:
            return
        body = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(pack(self._files, EPOCH))
        if self._seal:
            body = self._seal(body)
        name = f"{hashlib.sha256(body).hexdigest()}{'.tar.zst.age' if self._seal else '.tar.zst'}"
        self._keep(name, body, len(self._files))
        for tell in self._told:
            tell(name)
        self._files, self._told, self._size = {}, [], 0


def opened(body: bytes) -> dict[str, bytes]:
    """Returns the files of a pack by path. Raises ValueError if it is none, or too large."""
    try:
        return unpack(zstandard.ZstdDecompressor().decompress(body, max_output_size=LARGEST))
    except (zstandard.ZstdError, tarfile.TarError, OSError, EOFError) as error:
        message = f"it cannot be unpacked: {error}"
        raise ValueError(message) from None
