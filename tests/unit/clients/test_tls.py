"""TLS with CAs as kubeadm made them until v1.18: a handshake in memory, under Python's defaults from 3.13 on."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tasks.clients.tls import tls_context, why_not_trusted

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python has it from 3.13 on, whichever runs here."""
    make = ssl.create_default_context

    def as_of_3_13(*, cadata: str | None = None) -> ssl.SSLContext:
        context = make(cadata=cadata)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_of_3_13)


def signed(key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
    """A certificate without key identifiers."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME if ca else x509.Name([]))
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=not ca)
    )
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Raises what the client finds wrong."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="kubernetes")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far, near):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_ca_without_key_identifiers_is_trusted_and_another_one_is_not(tmp_path: Path) -> None:
    """Signatures, names and dates are verified all the same; what is not trusted has OpenSSL's reason (F11)."""
    ca_key, key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    pair = tmp_path / "pair.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pair.write_bytes(signed(key, ca_key, ca=False) + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair)
    handshake(server, tls_context(signed(ca_key, ca_key, ca=True)))
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        handshake(server, tls_context(signed(other, other, ca=True)))
    assert why_not_trusted(refused.value)
    assert why_not_trusted(OSError("no route")) == ""
