"""Whether a client certificate can work at all, judged before anything is connected to."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def what_is_wrong_with(certificate: bytes, key: bytes, *, now: datetime) -> str:
    """Why this pair cannot be used (both PEM): no certificate, no key, expired, not yet valid, or not a pair; or nothing."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return "the certificate is not a PEM certificate"
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError:
        return "the key is protected by a passphrase; give one that is not"
    except ValueError:
        return "the key is not a PEM private key"
    if now > parsed.not_valid_after_utc:
        return f"the certificate ({_subject(parsed)}) expired on {parsed.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    if now < parsed.not_valid_before_utc:
        return (
            f"the certificate ({_subject(parsed)}) is not valid before {parsed.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        )
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if parsed.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        return f"the key does not belong to the certificate ({_subject(parsed)})"
    return ""


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "no subject"
