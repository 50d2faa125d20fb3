"""Makes the kubeconfig that a user gets."""

import base64
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

KEY_FILE = "client.key"
"""This is the file beside the kubeconfig where a user who made the key keeps it."""


def kubeconfig_of(cluster: str, user: str, server: str, ca: str, fields: dict[str, str]) -> str:
    """Returns a kubeconfig as JSON, which YAML includes. `fields` are those of the user."""
    name = f"{user}@{cluster}"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": _encoded(ca)}}],
            "users": [{"name": user, "user": fields}],
            "contexts": [{"name": name, "context": {"cluster": cluster, "user": user}}],
            "current-context": name,
        },
        indent=2,
    )


def certificate_fields(certificate: bytes, key: bytes) -> dict[str, str]:
    """Returns the fields of a user with a certificate. Without a key they name the file where the user has it."""
    fields = {"client-certificate-data": _encoded(certificate.decode())}
    return fields | ({"client-key-data": _encoded(key.decode())} if key else {"client-key": KEY_FILE})


def new_request(user: str, groups: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Returns a new key and a certificate request that is signed with it, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, request.public_bytes(Encoding.PEM)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
