"""An archive that exists in memory only: a tar, and the same encrypted by age for some recipients."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyrage

from tasks.core.models.recipients import parse_recipient

MODE = 0o600
"""Of every file in it, whatever it had on the node: who unpacks it as a user has private keys then."""


def pack(files: Mapping[str, bytes], at: datetime) -> bytes:
    """A tar of files by name, in that order, all of root, with one mode and one time: equal input gives equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), MODE, int(at.timestamp())
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def seal(plain: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypted for all of them: each can read it, and nobody else, we neither."""
    return pyrage.encrypt(plain, [parse_recipient(text) for text in recipients])
