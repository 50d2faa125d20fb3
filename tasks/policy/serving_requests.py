"""Whether a kubelet's request for a serving certificate may be approved: nine checks, of which not one is the request's own word."""

from collections.abc import Iterator, Mapping, Sequence

from tasks.models.certificates import NodeCertificates
from tasks.models.rotation import ServingRequest

SIGNER = "kubernetes.io/kubelet-serving"
USER = "system:node:"
GROUP = "system:nodes"
ALLOWED_USAGES = frozenset({"digital signature", "key encipherment", "server auth"})


def what_forbids_approval(request: ServingRequest, nodes: Sequence[NodeCertificates]) -> tuple[str, ...]:
    """Every check that it does not pass; none when it may be approved.

    Names and addresses are compared with what the machines themselves have said over SSH: neither the request nor the
    Node object, which its kubelet writes, is believed.
    """
    if request.problem:
        return (request.problem,)
    by_user = {f"{USER}{node.name}": node for node in nodes}
    return tuple(problem for problem in _checks(request, by_user) if problem)


def _checks(request: ServingRequest, by_user: Mapping[str, NodeCertificates]) -> Iterator[str]:
    usages = set(request.usages)
    node = by_user.get(request.username)
    kinds = {name.partition(":")[0] for name in request.names}
    yield _unless(request.signer == SIGNER, f"its signer is {request.signer}, not {SIGNER}")
    yield _unless(node is not None, f"it comes from {request.username}, which is no node of the profile")
    yield _unless(GROUP in request.groups, f"who asks is not in the group {GROUP}")
    yield _unless(
        "server auth" in usages and usages <= ALLOWED_USAGES, f"it is for {', '.join(sorted(usages)) or 'nothing'}"
    )
    yield _unless(request.common_name == request.username, f"its CN is {request.common_name}, not {request.username}")
    yield _unless(
        request.organizations == (GROUP,), f"its O is {', '.join(request.organizations) or 'empty'}, not {GROUP}"
    )
    yield _unless(bool(request.names), "it names no host")
    yield _unless(kinds <= {"DNS", "IP"}, f"it names what is no host: {', '.join(sorted(kinds - {'DNS', 'IP'}))}")
    if node is not None:
        yield _of_this_node(request, node)


def _of_this_node(request: ServingRequest, node: NodeCertificates) -> str:
    if node.unreached:
        return f"what {node.name} is called is not known: {node.unreached}"
    known = {f"DNS:{node.name}", f"DNS:{node.hostname}", *(f"IP:{address}" for address in node.addresses)}
    strange = [name for name in request.names if name not in known]
    return f"not a name or an address of {node.name}: {', '.join(strange)}" if strange else ""


def _unless(holds: bool, problem: str) -> str:  # noqa: FBT001 - reads as a sentence at the call
    return "" if holds else problem
