"""A certificate authority for tests: also expired and foreign certificates are a call away."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("127.0.0.1", "::1")
"""The addresses that a server certificate of the tests is good for."""

USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class KeyPair:
    """The files of a certificate and its key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """A self-signed authority; `ca` is the file that clients trust."""

    def __init__(self, folder: Path, name: str = "test-ca", lifetime: timedelta = timedelta(days=1)) -> None:
        """`folder` receives the authority's certificate and all that it issues, for a lifetime; made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / f"{name}.crt"
        self._name = _name(name)
        self._lifetime = lifetime
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._write_ca()

    def issue(  # noqa: PLR0913 - each is a property of a certificate, all but the name by keyword
        self,
        name: str,
        *,
        organization: str = "",
        dns: Iterable[str] = (),
        ips: Iterable[str] = (),
        server: bool = True,
        client: bool = True,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> KeyPair:
        """A certificate for the common name, valid for the last hour and the lifetime unless told otherwise.

        Kubernetes takes the name for a user's and the `organization` for a group's.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [*(x509.DNSName(each) for each in dns), *(x509.IPAddress(ip_address(each)) for each in ips)]
        usages = [usage for wanted, usage in ((server, USAGES["server"]), (client, USAGES["client"])) if wanted]
        builder = self._builder(_name(name, organization), key, not_before, not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        pair.certificate.write_bytes(self._signed(builder))
        _write_key(pair.key, key)
        return pair

    def server(self, name: str) -> KeyPair:
        """A certificate for a server on loopback, which etcd's members also use as clients of each other."""
        return self.issue(name, dns=("localhost", "kubernetes"), ips=LOOPBACK)

    def write_key(self) -> Path:
        """The authority's own key, beside its certificate."""
        path = self.ca.with_suffix(".key")
        _write_key(path, self._key)
        return path

    def _write_ca(self) -> None:
        builder = self._builder(self._name, self._key, None, None)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self.ca.write_bytes(self._signed(builder.add_extension(usage, critical=True)))

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        not_before: datetime | None,
        not_after: datetime | None,
    ) -> x509.CertificateBuilder:
        own = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or datetime.now(UTC) - timedelta(hours=1))
            .not_valid_after(not_after or datetime.now(UTC) + self._lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(name: str, organization: str = "") -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, name)]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts if value])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
