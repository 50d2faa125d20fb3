"""What is due on one node, and why: leaves, static pods, copies of kubeconfigs, the kubelet's certificate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tasks.cert_rotation.models.rotation import OnNode
from tasks.cert_rotation.policy.san_changes import NameChange, change_of
from tasks.cert_rotation.policy.static_pods import what_pod_lacks
from tasks.cert_rotation.policy.view import RotationView
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.kubeadm import AWAY_WITH, KUBELET, KUBELET_CLIENT, ORDER
from tasks.core.models.plan import figure

LATE_PERCENT = 10
"""Of its life that a kubelet's certificate has left when the kubelet should have renewed it long ago."""


@dataclass(frozen=True)
class DueLeaves:
    """kubeadm's leaves on one node: each is renewed, or left alone."""

    due: Mapping[str, str] = field(default_factory=dict)
    """Those to be renewed, with why."""
    anew: Mapping[str, NameChange] = field(default_factory=dict)
    """Of those, the ones whose names change."""
    left_alone: Mapping[str, str] = field(default_factory=dict)
    """The others, with why."""


def due_leaves(view: RotationView, node: NodeCertificates, left: OnNode) -> DueLeaves:
    """Those that end in time, or do not fit to their key, their authority or kubeadm's configuration."""
    due: dict[str, str] = {}
    anew: dict[str, NameChange] = {}
    left_alone: dict[str, str] = {}
    for leaf, made in LEAVES.items():
        one = node.named(leaf)
        if one is None or one.problem:
            continue
        change = change_of(one, leaf, node, view.facts.configuration)
        reasons = [*_reasons(view, one, left), *([f"its names change: {change.in_words}"] if change.in_words else [])]
        told = "; ".join(reasons)
        if not reasons:
            left_alone[leaf] = _why_not(view, one, left)
        elif any(path.endswith(f"/{AUTHORITIES[made.authority]}") for path in node.external):
            left_alone[leaf] = f"{told}, but its authority is external: renew it where the key is"
        elif not view.is_asked_for(leaf):
            left_alone[leaf] = f"{told}, but it was not asked for"
        else:
            due[leaf] = told
            anew |= {leaf: change} if change.in_words else {}
    return DueLeaves(due, anew, left_alone)


def due_restarts(node: NodeCertificates, due: Mapping[str, str]) -> dict[str, str]:
    """Who reads what is renewed, and who has not read what is there; in their order."""
    found: dict[str, list[str]] = {}
    for leaf in due:
        for pod in LEAVES[leaf].pods:
            found.setdefault(pod, []).append(f"it reads {leaf} at its start")
    for pod in node.manifests:
        lacks = what_pod_lacks(node, pod)
        if lacks and pod not in found:
            found[pod] = [lacks.text]
    for pod, useless in AWAY_WITH.items():
        for other in node.manifests.keys() & set(useless) if pod in found else ():
            found.setdefault(other, [f"its requests would hang while {pod} beside it is away"])
    return {pod: "; ".join(found[pod]) for pod in ORDER if found.get(pod)}


def due_copies(view: RotationView, node: NodeCertificates, due: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Copies of kubeconfigs that are renewed, or that have another certificate than their source; with why."""
    for copy in node.kubeconfigs:
        if not copy.copy_of or copy.missing:
            continue
        source = node.named(copy.copy_of)
        own = next((c for c in node.certificates if c.path == copy.path and c.kind is Kind.KUBECONFIG), None)
        if copy.copy_of in due:
            yield copy.path, f"it is a copy of {copy.copy_of}"
        elif source and own and source.fingerprint != own.fingerprint and view.is_asked_for(copy.copy_of):
            yield copy.path, f"it has another certificate than {copy.copy_of}"


def why_kubelet(view: RotationView, node: NodeCertificates) -> str:
    """Why the kubelet's client certificate is signed anew; empty when it is not."""
    one = node.named(KUBELET_CLIENT)
    if one is None or one.problem or not view.is_asked_for(KUBELET_CLIENT):
        return ""
    left = one.left(view.now) or timedelta()
    if left <= timedelta():
        return f"its {KUBELET}'s client certificate {figure(in_words(left))}: it cannot ask for another one"
    if left <= view.options.renew_before and left <= one.lifetime * LATE_PERCENT / 100:
        return f"its {KUBELET}'s client certificate {figure(in_words(left))}, and it has not renewed it itself"
    return ""


def _reasons(view: RotationView, one: Certificate, left: OnNode) -> Iterator[str]:
    remains = one.left(view.now)
    if remains is not None and remains <= view.options.renew_before and not view.is_done(left):
        yield figure(in_words(remains))
    if one.pair is False:
        yield "the key beside it is another one's"
    if one.signed is False:
        yield f"it is not signed by {one.authority}"


def _why_not(view: RotationView, one: Certificate, left: OnNode) -> str:
    remains = one.left(view.now) or timedelta()
    return "this run has renewed it" if view.is_done(left) else figure(in_words(remains))
