"""Makes an archive that exists only in memory: a tar, and the same tar encrypted by age for some recipients."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyrage
from pyrage import ssh, x25519

from tasks.core.models.recipients import parse_recipient

MODE = 0o600
"""This is the mode of every file in the archive, whatever mode it had on the node.

A user who unpacks the archive has private keys then.
"""


def pack(files: Mapping[str, bytes], at: datetime) -> bytes:
    """Makes a tar of files by name, in that order.

    All files belong to root and have one mode and one time. Equal input gives equal bytes.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), MODE, int(at.timestamp())
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """Returns the files of a tar that `pack` made, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: found.read() for one in tar if (found := tar.extractfile(one))}


def seal(plain: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypts the bytes for all recipients; each of them can read it, and nobody else can, not even this program."""
    return pyrage.encrypt(plain, [parse_recipient(text) for text in recipients])


class OtherKeyError(ValueError):
    """The bytes are encrypted for other identities, or are not whole."""


def unseal(sealed: bytes, identity: str) -> bytes:
    """Decrypts what was encrypted for the public half of an identity: an `AGE-SECRET-KEY-...`, or a private SSH key.

    Raises ValueError if it is no identity, and OtherKeyError if the bytes are not for it; the message has nothing of the
    identity.
    """
    lines = [one.strip() for one in identity.splitlines() if one.strip() and not one.startswith("#")]
    try:
        key = (
            ssh.Identity.from_buffer(identity.encode())
            if "PRIVATE KEY" in identity
            else x25519.Identity.from_str("".join(lines))
        )
    except pyrage.IdentityError:
        message = "it is no identity of age: write AGE-SECRET-KEY-..., or a private SSH key without a passphrase"
        raise ValueError(message) from None
    try:
        return pyrage.decrypt(sealed, [key])
    except pyrage.DecryptError:
        message = "it is not encrypted for this identity, or not whole"
        raise OtherKeyError(message) from None
