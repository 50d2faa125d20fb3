"""Certificates in our own words."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tasks.certificates.models.inventory import Kind
from tasks.certificates.probes.x509 import certificates_in, describe, is_signed_by
from tests.facts.signed import NOW, signed


def test_names_of_all_kinds_and_a_signature_of_somebody_else() -> None:
    """A certificate of the same issuer's name, signed by another key, is not signed by it."""
    mine, other = (signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()) for _ in range(2))
    [one], [two] = certificates_in(mine), certificates_in(other)
    assert is_signed_by(one, [two, one])
    assert not is_signed_by(one, [two])
    found = describe(one, path="x", kind=Kind.SERVING, now=NOW)
    assert found.names == ("DNS:a", "URI:https://b", "email:c@d", "other:RegisteredID")
    assert found.self_signed
