"""CertificateSigningRequests of kubelets, as the API has them."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from tasks.models.names import host_of, named
from tasks.models.rotation import ServingRequest
from tasks.models.serving import Identities, NodeIdentity
from tasks.probes.x509 import key_type_of, names_of

JSON = Mapping[str, Any]

SIGNER = "kubernetes.io/kubelet-serving"

_SUBJECT = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""A label that the admission plugin NodeRestriction does not let kubelets set."""

OWN_NAMES = ("kubernetes", "kubernetes.default", "localhost")


def parse_requests(items: Iterable[JSON]) -> tuple[ServingRequest, ...]:
    """Those of kubelets for serving certificates that nobody has decided about."""
    return tuple(parse_request(item) for item in items if item["spec"].get("signerName") == SIGNER and is_pending(item))


def is_pending(item: JSON) -> bool:
    """Neither approved, denied nor failed, and nothing is signed."""
    status = item.get("status") or {}
    return not status.get("conditions") and not status.get("certificate")


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
    strange = [one.rfc4514_attribute_name for one in request.subject if one.oid not in _SUBJECT]
    if strange:
        return told.model_copy(update={"problem": f"its subject has more than CN and O: {', '.join(strange)}"})
    common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return told.model_copy(
        update={
            "common_name": str(common[0].value) if len(common) == 1 else "",
            "organizations": tuple(str(one.value) for one in organizations),
            "names": names_of(request.extensions),
            "key": key_type_of(request.public_key()),
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


# --- who is who


def parse_identities(
    machines: Mapping[str, str],
    nodes: Iterable[JSON],
    services: Iterable[JSON],
    configuration: JSON,
    endpoints: Mapping[str, Sequence[str]],
) -> Identities:
    """Of the profile's machines (name to address), the API's nodes and Services, and kubeadm's configuration.

    `endpoints` are the hosts that the API is asked at, with the addresses that they resolve to.
    """
    by_name = {str(item["metadata"]["name"]): item for item in nodes}
    networking = configuration.get("networking") or {}
    domain = str(networking.get("dnsDomain") or "cluster.local")
    reserved = {named(name): "the API's own name" for name in OWN_NAMES}
    for item in services:
        reserved |= {named(name): f"of the Service {_label(item)}" for name in _names_of_service(item, domain)}
    api = {named(one): "a name of the API's certificate" for one in _of(configuration.get("apiServer"), "certSANs")}
    for host, addresses in endpoints.items():
        api |= {named(one): f"the control plane endpoint, or of {host}" for one in (host, *addresses)}
    if endpoint := host_of(str(configuration.get("controlPlaneEndpoint") or "")):
        reserved[named(endpoint)] = "the control plane endpoint"
    return Identities(
        nodes=tuple(_identity(name, machines, by_name.get(name)) for name in dict.fromkeys((*machines, *by_name))),
        reserved=reserved,
        api_names=api,
        services=tuple(part.strip() for part in str(networking.get("serviceSubnet") or "").split(",") if part.strip()),
        pods={str(network): name for name, item in by_name.items() for network in _of(item.get("spec"), "podCIDRs")},
    )


def endpoints_of(configuration: JSON, server: str) -> tuple[str, ...]:
    """Hosts of the control plane as a whole: of kubeadm's configuration, and of the URL in the worker's own kubeconfig."""
    found = (str(configuration.get("controlPlaneEndpoint") or ""), server.removeprefix("https://").partition("/")[0])
    return tuple(dict.fromkeys(host_of(endpoint) for endpoint in found if endpoint))


def _identity(name: str, machines: Mapping[str, str], item: JSON | None) -> NodeIdentity:
    """An address that several machines of the profile have, with different ports, is none's: it is a gateway's."""
    address = machines.get(name, "")
    metadata, status = (item or {}).get("metadata") or {}, (item or {}).get("status") or {}
    return NodeIdentity(
        name=name,
        address=address if list(machines.values()).count(address) == 1 else "",
        known=item is not None,
        control_plane=CONTROL_PLANE in (metadata.get("labels") or {}),
        reported=tuple(dict.fromkeys(named(str(one["address"])) for one in status.get("addresses") or ())),
    )


def _names_of_service(item: JSON, domain: str) -> Iterator[str]:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    name, space = item["metadata"]["name"], item["metadata"]["namespace"]
    yield from (f"{name}.{space}", f"{name}.{space}.svc", f"{name}.{space}.svc.{domain}")
    yield from (one for one in (*_of(spec, "clusterIPs"), spec.get("clusterIP")) if one and one != "None")
    yield from _of(spec, "externalIPs")
    yield from filter(None, (spec.get("loadBalancerIP"), spec.get("externalName")))
    for one in _of(status.get("loadBalancer"), "ingress"):
        yield from filter(None, (one.get("ip"), one.get("hostname")))


def _of(value: JSON | None, field: str) -> Sequence[Any]:
    return (value or {}).get(field) or ()


def _label(item: JSON) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
