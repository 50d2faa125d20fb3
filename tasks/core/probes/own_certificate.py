"""Checks whether a client certificate can work at all, before the run opens a connection."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tasks.core.models.findings import Problem

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def what_is_wrong_with(certificate: bytes, key: bytes, *, now: datetime) -> Problem | None:
    """Returns why this pair (both PEM) cannot be used; None if it can.

    The reasons are: not PEM, a key with a passphrase, expired, not yet valid, or not a pair.
    """
    try:
        parsed, private = _certificate(certificate), _private_key(key)
    except ValueError as error:
        return Problem(text=str(error))
    if now > parsed.not_valid_after_utc:
        return Problem(text=f"the certificate ({_subject(parsed)}) expired on {parsed.not_valid_after_utc:{_TIME}}")
    if now < parsed.not_valid_before_utc:
        begins = f"{parsed.not_valid_before_utc:{_TIME}}"
        return Problem(text=f"the certificate ({_subject(parsed)}) is not valid before {begins}")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if parsed.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        return Problem(text=f"the key does not belong to the certificate ({_subject(parsed)})")
    return None


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ValueError("the certificate is not a PEM certificate") from None


def _private_key(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the key is protected by a passphrase; give one that is not") from None
    except ValueError:
        raise ValueError("the key is not a PEM private key") from None


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "no subject"
