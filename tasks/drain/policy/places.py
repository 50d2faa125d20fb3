"""Decides whether another node could take a pod's successor. Resources are not counted."""

from collections.abc import Sequence

from tasks.drain.models import Treatment
from tasks.drain.policy.lookup import Lookup, Ruling
from tasks.drain.policy.selectors import suits, untolerated
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Pod, Volume
from tasks.nodes.policy.selectors import holds_labels

NODES_NAMED = 5
"""Limits how many nodes a sentence about all nodes names."""


def nowhere_else(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Handles a pod whose successor would have no node.

    Every other node is unavailable, repels the pod, or does not have its volume.
    """
    reason = _reason(pod, lookup)
    if not reason or _may_fit(pod, lookup):
        return None
    if lookup.options.allow_pending:
        away = "it does not run until this node is back"
        return Ruling(Treatment.EVICT_FOR_GOOD, f"{reason}: {away}", loss=away)
    return Ruling(
        Treatment.BLOCKED,
        reason,
        "make room for it on another node, or allow with --allow-pending that it does not run meanwhile",
    )


def is_place_unknown(pod: Pod, lookup: Lookup) -> bool:
    """Checks whether no other node is known to take the pod, but some may.

    This happens if an affinity or a toleration uses an operator of a newer API.
    """
    return bool(_reason(pod, lookup)) and _may_fit(pod, lookup)


def _reason(pod: Pod, lookup: Lookup) -> str:
    if pod.controller is None or pod.is_finished or pod.stops_by:
        return ""
    others, volumes = _others(pod, lookup), _volumes(pod, lookup)
    return _pinned(volumes, others) or _no_node(pod, volumes, others)


def _may_fit(pod: Pod, lookup: Lookup) -> bool:
    volumes = _volumes(pod, lookup)
    return any(not why_not(pod, volumes, node, unknown=True) for node in _others(pod, lookup))


def _others(pod: Pod, lookup: Lookup) -> list[KubeNode]:
    return [node for node in lookup.facts.nodes if node.name != pod.node]


def _volumes(pod: Pod, lookup: Lookup) -> list[Volume]:
    claims = [f"{pod.namespace}/{claim}" for claim in pod.claims]
    return [lookup.volumes[claim] for claim in claims if claim in lookup.volumes]


def _pinned(volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    here = [one.name for one in volumes if not any(suits(one.node_terms, node) for node in others)]
    return f"its volume {', '.join(here)} is on no other node" if here else ""


def _no_node(pod: Pod, volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    reasons = []
    for node in others:
        reason = why_not(pod, volumes, node)
        if not reason:
            return ""
        reasons.append(f"{node.name} {reason}")
    more = len(reasons) - NODES_NAMED
    told = "; ".join(reasons[:NODES_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"no other node can take it: {told}" if reasons else "there is no other node"


def why_not(pod: Pod, volumes: Sequence[Volume], node: KubeNode, *, unknown: bool = False) -> str:
    """Returns why the node cannot take the pod; empty if it can.

    With `unknown`, whatever comes from a newer API counts as a match.
    """
    if not node.ready:
        return "is not Ready"
    if node.cordoned:
        return "is cordoned"
    if not holds_labels(pod.node_labels, node.labels) or not suits(pod.node_terms, node, unknown=unknown):
        return "does not match its node selector or affinity"
    if taint := untolerated(node, pod.tolerations, unknown=unknown):
        return f"has the taint {taint}"
    fits = all(suits(volume.node_terms, node, unknown=unknown) for volume in volumes)
    return "" if fits else "cannot mount its volume"
