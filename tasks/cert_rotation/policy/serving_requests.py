"""Decides whether a kubelet's request for a serving certificate may be approved. No check trusts the request or its node alone.

Anyone who controls a node controls its kubelet, its status in the API, and its answers over SSH.
Therefore its names come from the profile and from the name of its Node.
An address that it reports counts only if no other node has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from tasks.cert_rotation.models.rotation import ServingRequest
from tasks.cert_rotation.models.serving import Identities, NodeIdentity
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.models.names import named, normal, normals

SIGNER = "kubernetes.io/kubelet-serving"
USER = "system:node:"
GROUP = "system:nodes"
USAGES = (
    frozenset({"digital signature", "server auth"}),
    frozenset({"digital signature", "key encipherment", "server auth"}),
)
"""Lists the usage sets that the signer accepts (`ValidateKubeletServingCSR`).

An approved request with any other set fails permanently.
"""

KEYS = ("EC secp256r1", "EC secp384r1", "EC secp521r1", "Ed25519")
RSA_BITS = 2048
"""This is the minimum size of an RSA key in bits."""


def what_forbids_approval(
    request: ServingRequest, nodes: Sequence[NodeCertificates], known: Identities
) -> tuple[str, ...]:
    """Returns every check that the request fails. The result is empty if it may be approved."""
    if request.problem:
        return (request.problem,)
    by_user = {f"{USER}{node.name}": node for node in nodes}
    return tuple(problem for problem in _checks(request, by_user, known) if problem)


def _checks(request: ServingRequest, by_user: Mapping[str, NodeCertificates], known: Identities) -> Iterator[str]:
    node = by_user.get(request.username)
    kinds = {name.partition(":")[0] for name in request.names}
    yield _unless(request.signer == SIGNER, f"its signer is {request.signer}, not {SIGNER}")
    yield _unless(node is not None, f"it comes from {request.username}, which is no node of the profile")
    yield _unless(GROUP in request.groups, f"who asks is not in the group {GROUP}")
    yield _unless(frozenset(request.usages) in USAGES, f"it is for {', '.join(sorted(request.usages)) or 'nothing'}")
    yield _unless(_is_strong(request.key), f"its key is {request.key or 'not known'}")
    yield _unless(request.common_name == request.username, f"its CN is {request.common_name}, not {request.username}")
    yield _unless(
        request.organizations == (GROUP,), f"its O is {', '.join(request.organizations) or 'empty'}, not {GROUP}"
    )
    yield _unless(bool(request.names), "it names no host")
    yield _unless(kinds <= {"DNS", "IP"}, f"it names what is no host: {', '.join(sorted(kinds - {'DNS', 'IP'}))}")
    if node is not None:
        yield _of_this_node(request, node, list(by_user.values()), known)


def _is_strong(key: str) -> bool:
    kind, _, bits = key.partition(" ")
    return key in KEYS or (kind == "RSA" and int(bits) >= RSA_BITS)


def _of_this_node(
    request: ServingRequest, node: NodeCertificates, nodes: Sequence[NodeCertificates], known: Identities
) -> str:
    if node.unreached:
        return f"what {node.name} is called is not known: {node.unreached}"
    identity = known.node(node.name)
    if identity is None or not identity.known:
        return f"the API has no Node {node.name}"
    wrong = [problem for name in normals(request.names) if (problem := _whose(name, identity, nodes, known))]
    return "; ".join(wrong)


def _whose(name: str, own: NodeIdentity, nodes: Sequence[NodeCertificates], known: Identities) -> str:
    """Returns why a name does not belong to this node. The result is empty if it does."""
    if name in {normal(f"DNS:{own.name}"), own.address and named(own.address)}:
        return ""  # the operator's word, in the profile
    taken = _taken(name, own, nodes, known)
    if taken:
        return f"{name} is {taken}"
    if name not in own.reported or not _may_be_reported(name, own, nodes):
        return f"not a name or an address of {own.name}: {name}"
    return ""


def _taken(name: str, own: NodeIdentity, nodes: Sequence[NodeCertificates], known: Identities) -> str:
    """Returns who else a name belongs to. The result is empty if it belongs to no one else."""
    if name in known.reserved:
        return known.reserved[name]
    if name in known.api_names and not own.control_plane:
        return known.api_names[name]
    for one in known.nodes:
        if one.name != own.name and name in {normal(f"DNS:{one.name}"), *one.reported, named(one.address)}:
            return f"a name or an address of {one.name}"
    for machine in nodes:
        if machine.name != own.name and name in normals((f"DNS:{machine.hostname}", *_addresses(machine))):
            return f"a name or an address of {machine.name}"
    return _in_a_network(name, own, known)


def _in_a_network(name: str, own: NodeIdentity, known: Identities) -> str:
    kind, _, text = name.partition(":")
    if kind != "IP":
        return ""
    address = ip_address(text)
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return "an address that every node has"
    if any(address in ip_network(network, strict=False) for network in known.services):
        return "in the network of Services"
    others = (node for network, node in known.pods.items() if address in ip_network(network, strict=False))
    return next((f"in the pod network of {node}" for node in others if node != own.name), "")


def _may_be_reported(name: str, own: NodeIdentity, nodes: Sequence[NodeCertificates]) -> bool:
    """Checks whether a node may report this name.

    It must be an address that the node really has, or the node's own name with a domain.
    """
    kind, _, text = name.partition(":")
    if kind == "DNS":
        return text.partition(".")[0] == own.name.lower().partition(".")[0]
    return any(name in normals(_addresses(machine)) for machine in nodes if machine.name == own.name)


def _addresses(machine: NodeCertificates) -> tuple[str, ...]:
    return tuple(f"IP:{address}" for address in machine.addresses)


def _unless(holds: bool, problem: str) -> str:  # noqa: FBT001 - reads as a sentence at the call
    return "" if holds else problem
