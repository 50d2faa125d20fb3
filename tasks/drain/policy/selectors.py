"""What selectors, node affinity and tolerations mean, as the API server and the scheduler have it."""

import re
from collections.abc import Mapping, Sequence

from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import LabelSelector, NodeTerm, Operator, Requirement, Toleration

NAME_FIELD = "metadata.name"

SEEN_INTEGER = re.compile(r"[+-]?[0-9]+")
"""As strconv.ParseInt reads the label of a node."""

PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
"""As the scheduler compares taints: no sign, no leading zero."""

LARGEST = 2**63

OPERATORS = frozenset({"Equal", "Exists", "Gt", "Lt"})
"""Of tolerations, as v1.35 and newer have them; the last two with the feature gate TaintTolerationComparisonOperators."""

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
        case Operator.OTHER:
            return False
    return _compares(requirement, value)


def suits(terms: Sequence[NodeTerm] | None, node: KubeNode) -> bool:
    """One of the terms has to hold; with none given every node suits, with an empty list no node does."""
    return terms is None or any(_term_holds(term, node) for term in terms)


def untolerated(node: KubeNode, tolerations: Sequence[Toleration]) -> str:
    """The first taint of the node that keeps such a pod off; empty when there is none."""
    return next((taint for taint in node.taints if not tolerates(tolerations, taint)), "")


def not_understood(tolerations: Sequence[Toleration]) -> tuple[str, ...]:
    """Operators of a newer API: whether such a toleration is of a taint is not known, and it is taken for none."""
    return tuple(dict.fromkeys(one.operator for one in tolerations if one.operator not in OPERATORS))


def tolerates(tolerations: Sequence[Toleration], taint: str) -> bool:
    """Of a taint as `key=value:effect`; what only should be avoided is tolerated."""
    name, _, effect = taint.rpartition(":")
    key, _, value = name.partition("=")
    return effect not in REPELLING or any(_covers(one, key, value, effect) for one in tolerations)


def _compares(requirement: Requirement, value: str | None) -> bool:
    operand = requirement.operands[0] if requirement.operands else ""
    left, right = _integer(value or "", SEEN_INTEGER), _integer(operand, SEEN_INTEGER)
    if left is None or right is None:
        return False
    return left > right if requirement.operator is Operator.GT else left < right


def _integer(text: str, form: re.Pattern[str]) -> int | None:
    """Of 64 bits."""
    number = int(text) if form.fullmatch(text) else LARGEST
    return number if -LARGEST <= number < LARGEST else None


def _term_holds(term: NodeTerm, node: KubeNode) -> bool:
    if not term.labels and not term.fields:
        return False
    return all(holds(one, node.labels) for one in term.labels) and all(
        holds(one, {NAME_FIELD: node.name}) for one in term.fields
    )


def _covers(toleration: Toleration, key: str, value: str, effect: str) -> bool:
    """As the scheduler does it: `Gt` is of taints whose value is greater than the toleration's."""
    if toleration.effect not in {"", effect} or toleration.key not in {"", key}:
        return False
    match toleration.operator:
        case "Exists":
            return True
        case "Equal":
            return toleration.value == value
        case "Gt" | "Lt":
            return _covers_number(toleration, value)
    return False


def _covers_number(toleration: Toleration, value: str) -> bool:
    taint, limit = _integer(value, PLAIN_INTEGER), _integer(toleration.value, PLAIN_INTEGER)
    if taint is None or limit is None:
        return False
    return taint > limit if toleration.operator == "Gt" else taint < limit
