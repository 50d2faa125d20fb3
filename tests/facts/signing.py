"""Certificates that a CA of ours signs, and what Kubernetes looks at in them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tasks.certificates.authority import SigningAuthority
from tasks.certificates.models.kubeadm import COMMON_NAMES, Leaf

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


def signed(leaf: Leaf, now: datetime = NOW, validity: timedelta = YEAR) -> tuple[SigningAuthority, x509.Certificate]:
    """By an authority of that name."""
    authority = SigningAuthority.made(COMMON_NAMES.get(leaf.authority, leaf.authority), now, 10 * YEAR)
    return authority, x509.load_pem_x509_certificate(authority.sign(leaf, request_for(), now, validity))


def request_for(subject: str = "anybody", key: Any = None) -> bytes:  # noqa: ANN401 - of several kinds
    """As openssl makes one on a node; its subject means nothing."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


def fields(certificate: x509.Certificate) -> Mapping[str, Any]:
    """All that Kubernetes looks at, but keys, dates and numbers."""
    extensions = {
        one.oid.dotted_string: (one.critical, _comparable(one.value))
        for one in certificate.extensions
        if not isinstance(one.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier)
    }
    return {
        "subject": sorted((one.oid.dotted_string, one.value) for one in certificate.subject),
        "issuer": certificate.issuer.rfc4514_string(),
        "extensions": extensions,
        "identifiers": sorted(
            one.oid.dotted_string
            for one in certificate.extensions
            if isinstance(one.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier)
        ),
        "signature": certificate.signature_algorithm_oid,
        "version": certificate.version,
        "lasts": round((certificate.not_valid_after_utc - certificate.not_valid_before_utc) / timedelta(minutes=1)),
    }


def _comparable(value: x509.ExtensionType) -> Any:  # noqa: ANN401 - whatever the extension is made of
    """Neither kubeadm nor we promise an order."""
    if isinstance(value, x509.SubjectAlternativeName | x509.ExtendedKeyUsage):
        return sorted(map(repr, value))
    return value
