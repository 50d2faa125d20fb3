"""CertificateSigningRequests of kubelets, as the API has them."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from tasks.models.rotation import ServingRequest
from tasks.probes.x509 import names_of

JSON = Mapping[str, Any]

SIGNER = "kubernetes.io/kubelet-serving"


def parse_requests(items: Iterable[JSON]) -> tuple[ServingRequest, ...]:
    """Those of kubelets for serving certificates that nobody has decided about."""
    return tuple(parse_request(item) for item in items if item["spec"].get("signerName") == SIGNER and is_pending(item))


def is_pending(item: JSON) -> bool:
    """Neither approved, denied nor failed."""
    return not (item.get("status") or {}).get("conditions")


def parse_request(item: JSON) -> ServingRequest:
    """Who asks is what the API server has written there; what is asked for is in the request, which has to be signed by its key."""
    spec = item["spec"]
    told = ServingRequest(
        name=item["metadata"]["name"],
        signer=spec.get("signerName", ""),
        username=spec.get("username", ""),
        groups=tuple(spec.get("groups") or ()),
        usages=tuple(spec.get("usages") or ()),
    )
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    except (ValueError, KeyError):
        return told.model_copy(update={"problem": "what it asks for is no request in PEM"})
    if not request.is_signature_valid:
        return told.model_copy(update={"problem": "it is not signed by its own key"})
    common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return told.model_copy(
        update={
            "common_name": str(common[0].value) if len(common) == 1 else "",
            "organizations": tuple(str(one.value) for one in organizations),
            "names": names_of(request.extensions),
        }
    )


def approved(item: JSON, *, now: str, reason: str) -> dict[str, Any]:
    """The same with the condition Approved, for a PUT to `approval`."""
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "KubeRunbooksApproved",
        "message": reason,
        "lastUpdateTime": now,
    }
    status = item.get("status") or {}
    return {**item, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}
