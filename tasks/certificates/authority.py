"""Signs with a CA that is held in memory.

The CA is newly made or read from PEM. Its key is shown nowhere.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tasks.certificates.models.kubeadm import Leaf
from tasks.core.errors import Refused

BACKDATED = timedelta(minutes=5)
"""Certificates become valid this much earlier, because some clocks are slow. kubeadm does the same."""

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class SigningAuthority:
    """Holds the certificate and the key of a CA and signs with them."""

    def __init__(self, certificate: x509.Certificate, key: Key) -> None:
        self._certificate = certificate
        self._key = key

    def __repr__(self) -> str:
        return f"<SigningAuthority {self._certificate.subject.rfc4514_string()}>"

    @classmethod
    def made(cls, common_name: str, now: datetime, validity: timedelta) -> Self:
        """Makes a new self-signed CA, as kubeadm does."""
        key = _new_key()
        name = _name(common_name)
        builder = _builder(name, name, key.public_key(), now - BACKDATED, now + validity)
        builder = (
            builder.add_extension(_USAGE_OF_AUTHORITY, critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """Reads a CA from PEM. If the file has several certificates, it uses the first one, which is the one that signs.

        Raises:
            Refused: if the key is neither RSA nor ECDSA.
        """
        parsed = load_pem_private_key(key, password=None)
        if not isinstance(parsed, Key):
            raise Refused("the CA's key is neither RSA nor ECDSA", hint="kubeadm makes and uses no other")
        return cls(x509.load_pem_x509_certificates(certificate)[0], parsed)

    @property
    def certificate(self) -> bytes:
        """Returns the CA certificate as PEM."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def key(self) -> bytes:
        """Returns the CA key as PEM, as kubeadm writes it. Write it only to the disk of a node, and nowhere else."""
        return _private_pem(self._key)

    @property
    def not_after(self) -> datetime:
        """Returns the time at which the CA expires. Nothing that it has signed is valid any longer."""
        return self._certificate.not_valid_after_utc

    def sign(self, leaf: Leaf, request: bytes, now: datetime, validity: timedelta) -> bytes:
        """Signs a certificate and returns it as PEM.

        Only the key of the request (PEM) is used, and only if the request is signed with that key.
        The certificate never outlives the CA.
        """
        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise Refused(f"{leaf.name}: the request is not signed with its own key", hint="check openssl there")
        public = asked.public_key()
        if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise Refused(f"{leaf.name}: its key is neither RSA nor ECDSA", hint="kubeadm makes and uses no other")
        builder = _builder(
            _name(leaf.common_name, leaf.organizations),
            self._certificate.subject,
            public,
            max(now - BACKDATED, self._certificate.not_valid_before_utc),
            min(now + validity, self._certificate.not_valid_after_utc),
        )
        for extension, critical in self._extensions_of(leaf):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _extensions_of(self, leaf: Leaf) -> Iterator[tuple[x509.ExtensionType, bool]]:
        usages = ((leaf.server, ExtendedKeyUsageOID.SERVER_AUTH), (leaf.client, ExtendedKeyUsageOID.CLIENT_AUTH))
        names = [*map(x509.DNSName, leaf.dns), *(x509.IPAddress(ip_address(one)) for one in leaf.addresses)]
        yield _USAGE_OF_LEAF, True
        yield x509.ExtendedKeyUsage([usage for wanted, usage in usages if wanted]), False
        yield x509.BasicConstraints(ca=False, path_length=None), True
        if own := self._key_identifier():
            yield x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), False
        if names:
            yield x509.SubjectAlternativeName(names), False

    def _key_identifier(self) -> x509.SubjectKeyIdentifier | None:
        """Returns the subject key identifier of the CA, or None if it has none.

        kubeadm made CAs without one until v1.18. What such a CA signs has no identifier of its issuer, as with kubeadm.
        """
        try:
            return self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            return None


def new_key_pair() -> tuple[bytes, bytes]:
    """Makes a key pair for service-account tokens.

    It returns the private and the public key as PEM, as kubeadm writes them.
    """
    key = _new_key()
    return _private_pem(key), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_half(key: bytes) -> bytes:
    """Returns the public half of a private key. Both are PEM."""
    return (
        load_pem_private_key(key, password=None)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def _usages(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


_USAGE_OF_AUTHORITY, _USAGE_OF_LEAF = _usages(key_cert_sign=True), _usages(key_cert_sign=False)


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _private_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _name(common_name: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
