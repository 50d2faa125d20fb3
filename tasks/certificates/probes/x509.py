"""Converts certificates from PEM or DER to models, and checks their signatures against known CAs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tasks.certificates.models.inventory import CLIENT, SERVER, Certificate, Kind

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(text: bytes) -> tuple[x509.Certificate, ...]:
    """Returns the certificates of a PEM file in order. Other content is ignored.

    Raises:
        ValueError: if a certificate is damaged.
    """
    return tuple(x509.load_pem_x509_certificate(block) for block in _PEM.findall(text))


def describe(found: x509.Certificate, *, path: str, kind: Kind, now: datetime) -> Certificate:
    """Converts a certificate to a model with the facts that it contains."""
    return Certificate(
        path=path,
        kind=kind,
        subject=found.subject.rfc4514_string(),
        names=names_of(found.extensions),
        usages=usages_of(found.extensions),
        issuer=found.issuer.rfc4514_string(),
        serial=f"{found.serial_number:X}",
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        days_left=(found.not_valid_after_utc - now).days,
        key_type=key_type_of(found.public_key()),
        fingerprint=fingerprint_of(found),
        public_key=public_key_of(found),
        self_signed=found.issuer == found.subject and is_signed_by(found, [found]),
    )


def is_signed_by(found: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    """Checks whether one of these CAs signed the certificate, by name and by signature."""
    return bool(signer_of(found, authorities))


def signer_of(found: x509.Certificate, authorities: Sequence[x509.Certificate]) -> str:
    """Returns the fingerprint of the CA that signed the certificate, or an empty string if none of these did."""
    for authority in authorities:
        try:
            found.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return fingerprint_of(authority)
    return ""


def fingerprint_of(found: x509.Certificate) -> str:
    """Returns the sha256 fingerprint of a certificate in hexadecimal."""
    return found.fingerprint(SHA256()).hex()


def pem_of(found: x509.Certificate) -> str:
    """Returns the certificate as PEM text."""
    return found.public_bytes(Encoding.PEM).decode()


def public_key_of(found: x509.Certificate) -> str:
    """Returns the sha256 of the certificate's public key (SubjectPublicKeyInfo)."""
    return sum_of(_spki(found.public_key()))


def names_of(extensions: x509.Extensions) -> tuple[str, ...]:
    """Returns the subject alternative names, each with its kind."""
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_name(one) for one in found)


def usages_of(extensions: x509.Extensions) -> tuple[str, ...]:
    """Returns the extended key usages. The result is empty if the certificate names none."""
    try:
        found = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_USAGES.get(one, one.dotted_string) for one in found)


_USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: SERVER, ExtendedKeyUsageOID.CLIENT_AUTH: CLIENT}


def _name(one: x509.GeneralName) -> str:
    for kind, word in _KINDS.items():
        if isinstance(one, kind):
            return f"{word}:{one.value}"
    return f"other:{type(one).__name__}"


_KINDS: Mapping[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "email",
}


def sum_of(data: bytes) -> str:
    """Returns the sha256 of data in hexadecimal."""
    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize().hex()


def described(
    text: bytes, *, path: str, kind: Kind, now: datetime
) -> Iterator[tuple[Certificate, x509.Certificate | None]]:
    """Yields each certificate of a file with its model.

    A file without a certificate, or with a damaged one, yields one entry with the problem.
    """
    try:
        found = certificates_in(text)
    except ValueError:
        yield Certificate(path=path, kind=kind, problem="it is not a PEM certificate"), None
        return
    if not found:
        yield Certificate(path=path, kind=kind, problem="there is no certificate in it"), None
    for place, one in enumerate(found):
        yield describe(one, path=path, kind=kind, now=now).model_copy(update={"place": place}), one


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_type_of(key: PublicKeyTypes) -> str:
    """Returns the type of a key, for example RSA 2048, EC secp256r1, Ed25519."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")
