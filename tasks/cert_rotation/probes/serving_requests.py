"""Parses the CertificateSigningRequests of kubelets, as the API has them."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from tasks.cert_rotation.models.rotation import ServingRequest
from tasks.cert_rotation.models.serving import Identities, NodeIdentity
from tasks.certificates.probes.x509 import key_type_of, names_of
from tasks.core.models import outside
from tasks.core.models.names import host_of, named
from tasks.core.models.outside import name_of

JSON = Mapping[str, Any]

SIGNER = "kubernetes.io/kubelet-serving"

NOT_READ = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""Lists the errors that an invalid request raises, or one that no kubelet has made.

Some of them are raised only when a part of the request is read.
"""

_SUBJECT = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""This is a label that the admission plugin NodeRestriction does not let kubelets set."""

OWN_NAMES = ("kubernetes", "kubernetes.default", "localhost")


def parse_requests(items: Iterable[JSON]) -> tuple[ServingRequest, ...]:
    """Returns the undecided requests for kubelet serving certificates."""
    return tuple(parse_request(item) for item in items if _read(item).spec.signer_name == SIGNER and is_pending(item))


def is_pending(item: JSON) -> bool:
    """Checks whether a request is neither approved, denied nor failed, and has no certificate."""
    status = _read(item).status
    return not status.conditions and not status.certificate


def parse_request(item: JSON) -> ServingRequest:
    """Parses a request for a serving certificate.

    The API server wrote who asks. The request itself says what is asked for, and must be signed with its own key.
    """
    found = _read(item)
    spec = found.spec
    told = ServingRequest(
        name=found.metadata.name,
        signer=spec.signer_name,
        username=spec.username,
        groups=spec.groups,
        usages=spec.usages,
    )
    try:
        return _with_request(told, x509.load_pem_x509_csr(base64.b64decode(spec.request)))
    except NOT_READ:
        return told.model_copy(update={"problem": "what it asks for is no request in PEM"})


def _with_request(told: ServingRequest, request: x509.CertificateSigningRequest) -> ServingRequest:
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
    """Returns the request with the condition Approved, for a PUT to `approval`."""
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
    """Builds identities from the profile's nodes (name to address), the API's nodes and Services, and kubeadm's configuration.

    `endpoints` maps the hosts of the API to the addresses that they resolve to.
    """
    told = (outside.Node.read(item, name_of("node", item)) for item in nodes)
    by_name = {node.metadata.name: node for node in told}
    kubeadm = _kubeadm(configuration)
    reserved = {named(name): "the API's own name" for name in OWN_NAMES}
    for item in services:
        service = outside.Service.read(item, name_of("Service", item))
        names = _names_of_service(service, kubeadm.networking.dns_domain or "cluster.local")
        reserved |= {named(name): f"of the Service {service.id}" for name in names}
    api = {named(one): "a name of the API's certificate" for one in kubeadm.api_server.cert_sans}
    for host, addresses in endpoints.items():
        api |= {named(one): f"the control plane endpoint, or of {host}" for one in (host, *addresses)}
    if endpoint := host_of(kubeadm.control_plane_endpoint):
        reserved[named(endpoint)] = "the control plane endpoint"
    return Identities(
        nodes=tuple(_identity(name, machines, by_name.get(name)) for name in dict.fromkeys((*machines, *by_name))),
        reserved=reserved,
        api_names=api,
        services=tuple(part.strip() for part in kubeadm.networking.service_subnet.split(",") if part.strip()),
        pods={network: name for name, node in by_name.items() for network in node.spec.pod_cidrs},
    )


def endpoints_of(configuration: JSON, server: str) -> tuple[str, ...]:
    """Returns the hosts of the control plane as a whole.

    They come from kubeadm's configuration and from the URL in the Prefect worker's own kubeconfig.
    """
    found = (_kubeadm(configuration).control_plane_endpoint, server.removeprefix("https://").partition("/")[0])
    return tuple(dict.fromkeys(host_of(endpoint) for endpoint in found if endpoint))


def _identity(name: str, machines: Mapping[str, str], node: outside.Node | None) -> NodeIdentity:
    """Returns the identity of one node.

    An address that several nodes of the profile share, with different ports, is a gateway's and belongs to none of them.
    """
    address = machines.get(name, "")
    return NodeIdentity(
        name=name,
        address=address if list(machines.values()).count(address) == 1 else "",
        known=node is not None,
        control_plane=node is not None and CONTROL_PLANE in node.metadata.labels,
        reported=tuple(dict.fromkeys(named(one.address) for one in node.status.addresses)) if node else (),
    )


def _names_of_service(told: outside.Service, domain: str) -> Iterator[str]:
    name, space, spec = told.metadata.name, told.metadata.namespace, told.spec
    yield from (f"{name}.{space}", f"{name}.{space}.svc", f"{name}.{space}.svc.{domain}")
    yield from (one for one in (*spec.cluster_ips, spec.cluster_ip) if one and one != "None")
    yield from spec.external_ips
    yield from filter(None, (spec.load_balancer_ip, spec.external_name))
    for one in told.status.load_balancer.ingress:
        yield from filter(None, (one.ip, one.hostname))


def _read(item: JSON) -> outside.CertificateRequest:
    return outside.CertificateRequest.read(item, name_of("CertificateSigningRequest", item))


def _kubeadm(configuration: JSON) -> outside.ClusterConfiguration:
    return outside.ClusterConfiguration.read(configuration, "kubeadm's ClusterConfiguration")
