"""Whether another node could take a pod's successor. Resources are not counted."""

from collections.abc import Sequence

from tasks.drain.models import Treatment
from tasks.drain.policy.lookup import Lookup, Ruling
from tasks.drain.policy.selectors import holds_labels, not_understood, suits, untolerated
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Pod, Volume

NODES_NAMED = 5
"""In a sentence about all of them."""


def nowhere_else(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Its controller's next pod would have no node: every other one is away, repels it, or has not its volume."""
    if pod.controller is None or pod.is_finished or pod.stops_by:
        return None
    others = [node for node in lookup.facts.nodes if node.name != pod.node]
    volumes = [
        lookup.volumes[f"{pod.namespace}/{claim}"]
        for claim in pod.claims
        if f"{pod.namespace}/{claim}" in lookup.volumes
    ]
    reason = _pinned(volumes, others) or _no_node(pod, volumes, others)
    if not reason:
        return None
    if lookup.options.allow_pending:
        away = "away until this node is back"
        return Ruling(Treatment.EVICT_FOR_GOOD, f"{reason}: {away}", loss=away)
    return Ruling(
        Treatment.BLOCKED,
        reason,
        "make room for it on another node, or allow with allow_pending of the drain's options that it is away meanwhile",
    )


def _pinned(volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    here = [one.name for one in volumes if not any(suits(one.node_terms, node) for node in others)]
    return f"its volume {', '.join(here)} is on no other node" if here else ""


def _no_node(pod: Pod, volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    reasons = []
    for node in others:
        reason = _why_not(pod, volumes, node)
        if not reason:
            return ""
        reasons.append(f"{node.name} {reason}")
    more = len(reasons) - NODES_NAMED
    told = "; ".join(reasons[:NODES_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"no other node can take it: {told}" if reasons else "there is no other node"


def _why_not(pod: Pod, volumes: Sequence[Volume], node: KubeNode) -> str:
    if not node.ready:
        return "is not Ready"
    if node.cordoned:
        return "is cordoned"
    if not holds_labels(pod.node_labels, node.labels) or not suits(pod.node_terms, node):
        return "has not the labels that it wants"
    if taint := untolerated(node, pod.tolerations):
        strange = ", ".join(not_understood(pod.tolerations))
        return f"has the taint {taint}{f' (the operator {strange} of its tolerations is not known)' if strange else ''}"
    return "" if all(suits(volume.node_terms, node) for volume in volumes) else "has not its volume"
