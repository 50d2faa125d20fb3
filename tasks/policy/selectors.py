"""What selectors, node affinity and tolerations mean, as the API server and the scheduler have it."""

from collections.abc import Mapping, Sequence

from tasks.models.nodes import KubeNode
from tasks.models.pods import LabelSelector, NodeTerm, Operator, Requirement, Toleration

NAME_FIELD = "metadata.name"

REPELLING = frozenset({"NoSchedule", "NoExecute"})
"""Effects of taints that keep a pod off; PreferNoSchedule does not."""


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Nothing without a selector, everything with an empty one: as policy/v1 has it, checked on v1.36.3."""
    if selector is None:
        return False
    return holds_labels(selector.labels, labels) and all(holds(one, labels) for one in selector.expressions)


def holds_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """All that are wanted are there with that value."""
    return wanted.items() <= labels.items()


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """A label that is not there is `NotIn` anything, and neither greater nor less."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case Operator.IN:
            return value in requirement.operands
        case Operator.NOT_IN:
            return value not in requirement.operands
        case Operator.EXISTS:
            return value is not None
        case Operator.DOES_NOT_EXIST:
            return value is None
    return _compares(requirement, value)


def suits(terms: Sequence[NodeTerm] | None, node: KubeNode) -> bool:
    """One of the terms has to hold; with none given every node suits, with an empty list no node does."""
    return terms is None or any(_term_holds(term, node) for term in terms)


def untolerated(node: KubeNode, tolerations: Sequence[Toleration]) -> str:
    """The first taint of the node that keeps such a pod off; empty when there is none."""
    return next((taint for taint in node.taints if not tolerates(tolerations, taint)), "")


def tolerates(tolerations: Sequence[Toleration], taint: str) -> bool:
    """Of a taint as `key=value:effect`; what only should be avoided is tolerated."""
    name, _, effect = taint.rpartition(":")
    key, _, value = name.partition("=")
    return effect not in REPELLING or any(_covers(one, key, value, effect) for one in tolerations)


def _compares(requirement: Requirement, value: str | None) -> bool:
    try:
        left, right = int(value or ""), int(requirement.operands[0])
    except (ValueError, IndexError):
        return False
    return left > right if requirement.operator is Operator.GT else left < right


def _term_holds(term: NodeTerm, node: KubeNode) -> bool:
    if not term.labels and not term.fields:
        return False
    return all(holds(one, node.labels) for one in term.labels) and all(
        holds(one, {NAME_FIELD: node.name}) for one in term.fields
    )


def _covers(toleration: Toleration, key: str, value: str, effect: str) -> bool:
    if toleration.effect not in {"", effect} or toleration.key not in {"", key}:
        return False
    return toleration.exists or (toleration.key == key and toleration.value == value)
