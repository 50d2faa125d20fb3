"""Decides what is due on one node, and why: leaves, static pods, kubeconfig copies, the kubelet's certificate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tasks.cert_rotation.models.rotation import OnNode
from tasks.cert_rotation.policy.san_changes import NameChange, change_of
from tasks.cert_rotation.policy.static_pods import what_pod_lacks
from tasks.cert_rotation.policy.view import RotationView
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.kubeadm import AWAY_WITH, KUBELET, KUBELET_CLIENT, ORDER
from tasks.core.models.plan import figure

LATE_PERCENT = 10
"""A kubelet is late if its certificate has this percentage of its lifetime left or less."""


@dataclass(frozen=True)
class DueLeaves:
    """Lists kubeadm's leaf certificates on one node. Each is renewed or left alone."""

    due: Mapping[str, str] = field(default_factory=dict)
    """It maps each leaf to be renewed to the reason."""
    anew: Mapping[str, NameChange] = field(default_factory=dict)
    """It maps each leaf to be renewed whose names change to the change."""
    left_alone: Mapping[str, str] = field(default_factory=dict)
    """It maps each leaf that is left alone to the reason."""


def due_leaves(view: RotationView, node: NodeCertificates, left: OnNode) -> DueLeaves:
    """Returns which leaves to renew.

    These expire within the chosen time, or do not match their key, their CA or kubeadm's configuration.
    """
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
        elif any(node.is_authority(path, made.authority) for path in node.external):
            left_alone[leaf] = f"{told}, but its CA is external: renew it where the key is"
        elif not view.is_asked_for(leaf):
            left_alone[leaf] = f"{told}, but it was not asked for"
        else:
            due[leaf] = told
            anew |= {leaf: change} if change.in_words else {}
    return DueLeaves(due, anew, left_alone)


def due_restarts(node: NodeCertificates, due: Mapping[str, str]) -> dict[str, str]:
    """Returns the static pods to restart, in order.

    They read something that is renewed, have not read their current files, or depend on a restarted pod.
    """
    read: dict[str, list[str]] = {}
    for leaf in due:
        for pod in LEAVES[leaf].pods:
            read.setdefault(pod, []).append(leaf)
    found = {pod: [f"reads {', '.join(leaves)} at its start"] for pod, leaves in read.items()}
    for pod in node.manifests:
        lacks = what_pod_lacks(node, pod)
        if lacks and pod not in found:
            found[pod] = [lacks.text]
    for pod, useless in AWAY_WITH.items():
        for other in node.manifests.keys() & set(useless) if pod in found else ():
            found.setdefault(other, [f"its requests would hang while {pod} on this node restarts"])
    return {pod: "; ".join(found[pod]) for pod in ORDER if found.get(pod)}


def due_copies(view: RotationView, node: NodeCertificates, due: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields the kubeconfig copies to refresh, with the reason.

    Their source is renewed, or their certificate differs from that of their source.
    """
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
    """Returns why the kubelet's client certificate must be signed again. The result is empty if it need not be."""
    one = node.named(KUBELET_CLIENT)
    if not view.is_asked_for(KUBELET_CLIENT):
        return ""
    if one is None or one.problem:
        needs = why_pointed(view, node) or (one.problem if one else "")
        return f"its {KUBELET} has no client certificate in {node.kubelet.pki}: {needs}" if needs else ""
    if one.pair is False or one.key_problem:
        return f"its {KUBELET}'s client certificate is without its key: {one.key_problem or 'the one beside it is of another one'}"
    left = one.left(view.now) or timedelta()
    if left <= timedelta():
        return f"its {KUBELET}'s client certificate {figure(in_words(left))}: it cannot ask for another one"
    if left <= view.options.renew_before and left <= one.lifetime * LATE_PERCENT / 100:
        return f"its {KUBELET}'s client certificate {figure(in_words(left))}, and it has not renewed it itself"
    return ""


def why_pointed(view: RotationView, node: NodeCertificates) -> str:
    """Returns why the kubelet's kubeconfig must name its certificate file.

    The result is empty if the kubeconfig already does, or if the certificate inside it is valid for long enough.
    """
    config = node.kubelet_kubeconfig
    one = next((c for c in node.certificates if config and c.path == config.path and c.kind is Kind.KUBECONFIG), None)
    left = one.left(view.now) if one else None
    if config is None or left is None or left > view.options.renew_before or not view.is_asked_for(KUBELET_CLIENT):
        return ""
    return f"the client certificate in {config.path} {figure(in_words(left))}, and nothing renews it there"


def _reasons(view: RotationView, one: Certificate, left: OnNode) -> Iterator[str]:
    remains = one.left(view.now)
    if remains is not None and remains <= view.options.renew_before and not view.is_done(left):
        yield figure(in_words(remains))
    if one.pair is False:
        yield "the key beside it is another one's"
    if one.key_problem:
        yield one.key_problem
    if one.signed is False:
        yield f"it is not signed by {one.authority}"


def _why_not(view: RotationView, one: Certificate, left: OnNode) -> str:
    remains = one.left(view.now) or timedelta()
    return "this run has renewed it" if view.is_done(left) else figure(in_words(remains))
