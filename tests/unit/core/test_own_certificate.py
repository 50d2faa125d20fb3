"""Client certificates that cannot work are found before anything is connected to."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tasks.core.models.findings import Problem
from tasks.core.probes.own_certificate import what_is_wrong_with
from tests.servers.pki import Authority

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize(
    ("begins", "ends", "told"),
    [
        (NOW - DAY, NOW + DAY, ""),
        (NOW - DAY, NOW, ""),
        (NOW, NOW + DAY, ""),
        (NOW - 2 * DAY, NOW - DAY, "the certificate (CN=it) expired on 2026-11-22T12:00:00Z"),
        (NOW + DAY, NOW + 2 * DAY, "the certificate (CN=it) is not valid before 2026-11-24T12:00:00Z"),
    ],
)
def test_both_ends_of_its_time_are_inside(authority: Authority, begins: datetime, ends: datetime, told: str) -> None:
    """With the moment in the sentence."""
    pair = authority.issue("it", server=False, not_before=begins, not_after=ends)
    wrong = what_is_wrong_with(pair.certificate.read_bytes(), pair.key.read_bytes(), now=NOW)
    assert wrong == (Problem(text=told) if told else None)


def test_what_is_no_pair_is_called_so(authority: Authority) -> None:
    """Another's key, a key with a passphrase, and files that hold something else."""
    pair, other = (authority.issue(name, not_before=NOW - DAY, not_after=NOW + DAY) for name in ("it", "other"))
    certificate, key = pair.certificate.read_bytes(), pair.key.read_bytes()
    locked = load_pem_private_key(key, password=None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    for given, told in (
        ((certificate, other.key.read_bytes()), "the key does not belong to the certificate (CN=it)"),
        ((certificate, locked), "the key is protected by a passphrase"),
        ((certificate, b"nothing"), "the key is not a PEM private key"),
        ((key, key), "the certificate is not a PEM certificate"),
    ):
        assert told in str(what_is_wrong_with(*given, now=NOW))
