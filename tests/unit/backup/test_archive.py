"""An archive in memory: equal input gives equal bytes, and each recipient alone can open it."""

import io
import tarfile
from datetime import UTC, datetime

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tasks.backup.archive import pack, seal, unpack, unseal

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


def test_the_secret_half_of_a_recipient_opens_it() -> None:
    """As age-keygen writes it into its file, and as ssh-keygen does; the files are as they were packed."""
    own, key = pyrage.x25519.Identity.generate(), Ed25519PrivateKey.generate()
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    sealed = seal(pack(FILES, NOON), [str(own.to_public()), ssh_pair(key)[0]])
    by_age = f"# created: 2026-11-23T12:00:00Z\n# public key: {own.to_public()}\n{own}\n"
    for identity in (by_age, key.private_bytes(*formats).decode()):
        assert unpack(unseal(sealed, identity)) == {name.lstrip("/"): content for name, content in FILES.items()}


@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        ("AGE-SECRET-KEY-1WRONG", "no identity of age"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nWRONG\n-----END OPENSSH PRIVATE KEY-----\n", "no identity of age"),
        (str(pyrage.x25519.Identity.generate()), "not encrypted for this identity"),
    ],
    ids=["age", "ssh", "another"],
)
def test_another_identity_is_named_without_its_text(identity: str, problem: str) -> None:
    """The message may be shown to everybody."""
    sealed = seal(b"plain", [str(pyrage.x25519.Identity.generate().to_public())])
    with pytest.raises(ValueError, match=problem) as refused:
        unseal(sealed, identity)
    assert identity not in str(refused.value)
    assert "WRONG" not in str(refused.value)
