"""Real certificates, signed by themselves."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)


def signed(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: hashes.SHA256 | None) -> bytes:
    """By itself, with a name of each kind."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "it")])
    names: list[x509.GeneralName] = [x509.DNSName("a"), x509.UniformResourceIdentifier("https://b")]
    names += [x509.RFC822Name("c@d"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, algorithm)
    return made.public_bytes(Encoding.PEM)
