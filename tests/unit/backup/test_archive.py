"""An archive in memory: equal input gives equal bytes, and each recipient alone can open it."""

import io
import tarfile
from datetime import UTC, datetime

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tasks.backup.archive import pack, seal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILES = {"index.json": b"{}", "/etc/kubernetes/pki/ca.key": b"\0\1secret", "/etc/" + "long/" * 60 + "name": b""}


def test_a_tar_has_relative_names_one_mode_one_time_and_the_order_it_was_given() -> None:
    """Equal each time."""
    packed = pack(FILES, NOON)
    assert packed == pack(dict(FILES), NOON)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        entries = tar.getmembers()
        assert [f"/{entry.name}" for entry in entries] == ["/index.json", *list(FILES)[1:]]
        assert {(entry.mode, entry.mtime, entry.uid, entry.uname) for entry in entries} == {
            (0o600, NOON.timestamp(), 0, "root")
        }
        assert [tar.extractfile(entry).read() for entry in entries] == list(FILES.values())  # type: ignore[union-attr]


def ssh_pair(key: Ed25519PrivateKey | rsa.RSAPrivateKey) -> tuple[str, pyrage.ssh.Identity]:
    """The public line, and the identity of age."""
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    return public.decode(), pyrage.ssh.Identity.from_buffer(key.private_bytes(*formats))


def test_each_kind_of_recipient_opens_it_alone_and_nobody_else_does() -> None:
    """X25519, ssh-ed25519 and ssh-rsa."""
    own = pyrage.x25519.Identity.generate()
    pairs: list[tuple[str, pyrage.x25519.Identity | pyrage.ssh.Identity]] = [
        (str(own.to_public()), own),
        ssh_pair(Ed25519PrivateKey.generate()),
        ssh_pair(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ]
    plain = pack(FILES, NOON)
    sealed = seal(plain, [public for public, _ in pairs])
    assert b"secret" not in sealed
    for _, identity in pairs:
        assert pyrage.decrypt(sealed, [identity]) == plain
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])
