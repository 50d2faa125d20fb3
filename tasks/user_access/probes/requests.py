"""Makes certificate requests, and parses them as the API has them."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tasks.certificates.probes.x509 import (
    certificates_in,
    fingerprint_of,
    key_type_of,
    public_key_of,
    signer_of,
    sum_of,
    usages_of,
)
from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.user_access.models.requests import CLIENT_AUTH, SIGNER, Asked, Certificate, Expected, SignRequest

JSON = Mapping[str, Any]

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"

NOT_READ = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""Lists the errors that an invalid request raises. Some are raised only when a part of it is read."""

_SUBJECT = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)

NO_REQUEST = "it is no certificate request in PEM"


def request_body(pem: bytes, expected: Expected, slug: str) -> dict[str, Any]:
    """Returns the CertificateSigningRequest to create. Its name is new in each run."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": f"kube-runbooks-{slug}-", "labels": dict(expected.labels)},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": SIGNER,
            "expirationSeconds": expected.seconds,
            "usages": [CLIENT_AUTH, "digital signature"],
        },
    }


def parse_request(item: JSON) -> SignRequest:
    """Parses a request as the API server has stored it."""
    found = outside.CertificateRequest.read(item, name_of("CertificateSigningRequest", item))
    spec = found.spec
    try:
        asked = parse_pem(base64.b64decode(spec.request))
    except ValueError:
        asked = Asked(problem=NO_REQUEST)
    return SignRequest(
        name=found.metadata.name,
        labels=found.metadata.labels,
        signer=spec.signer_name,
        usages=spec.usages,
        seconds=spec.expiration_seconds,
        asked=asked,
    )


def parse_pem(pem: bytes) -> Asked:
    """Returns what a request in PEM asks for."""
    try:
        return _asked(x509.load_pem_x509_csr(pem))
    except NOT_READ:
        return Asked(problem=NO_REQUEST)


def _asked(request: x509.CertificateSigningRequest) -> Asked:
    key = request.public_key()
    return Asked(
        common_names=_values(request.subject, NameOID.COMMON_NAME),
        organizations=_values(request.subject, NameOID.ORGANIZATION_NAME),
        other=tuple(one.rfc4514_attribute_name for one in request.subject if one.oid not in _SUBJECT),
        extensions=tuple(one.oid.dotted_string for one in request.extensions),
        key=key_type_of(key),
        public_key=sum_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        is_signed=request.is_signature_valid,
    )


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in name.get_attributes_for_oid(oid))


def decided(item: JSON, kind: str, *, reason: str, message: str, now: str) -> dict[str, Any]:
    """Returns the request with the condition Approved or Denied, for a PUT to `approval`."""
    condition = {"type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": now}
    status = item.get("status") or {}
    return {**item, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}


def is_decided(item: JSON) -> bool:
    """Checks whether somebody has approved or denied the request."""
    return bool(_read(item).status.conditions)


def certificate_in(item: JSON) -> bytes:
    """Returns the signed certificate as PEM.

    It raises `NotYet` as long as there is none, and also if the signer failed or somebody denied the request.
    """
    found = _read(item)
    for one in found.status.conditions:
        if one.type in {DENIED, FAILED}:
            raise NotYet(f"{found.metadata.name} is {one.type}: {one.reason} {one.message}".strip())
    if not found.status.certificate:
        raise NotYet(
            f"{found.metadata.name} has no certificate",
            hint="check that kube-controller-manager runs, and has --cluster-signing-cert-file and its key",
        )
    return base64.b64decode(found.status.certificate)


def parse_certificate(pem: bytes, authorities: str, now: datetime) -> tuple[Certificate, datetime]:
    """Returns what a signed certificate contains, and when it expires. `authorities` are CAs in PEM."""
    try:
        found, *_ = certificates_in(pem)
    except ValueError:
        raise NotYet("the signed certificate could not be parsed", hint="check who signs for the cluster") from None
    trusted = certificates_in(authorities.encode())
    made = Certificate(
        common_names=_values(found.subject, NameOID.COMMON_NAME),
        organizations=_values(found.subject, NameOID.ORGANIZATION_NAME),
        public_key=public_key_of(found),
        serial=f"{found.serial_number:X}",
        fingerprint=fingerprint_of(found),
        seconds=(found.not_valid_after_utc - now).total_seconds(),
        signer=signer_of(found, trusted),
        usages=usages_of(found.extensions),
    )
    return made, found.not_valid_after_utc


def _read(item: JSON) -> outside.CertificateRequest:
    return outside.CertificateRequest.read(item, name_of("CertificateSigningRequest", item))
