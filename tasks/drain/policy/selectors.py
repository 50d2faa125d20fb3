"""Evaluates node affinity and tolerations as the scheduler does."""

import re
from collections.abc import Sequence

from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import NodeTerm, Operator, Toleration
from tasks.nodes.policy.selectors import holds, integer

NAME_FIELD = "metadata.name"

PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
"""Matches an integer as the scheduler compares taints: no plus sign, no leading zero."""

REPELLING = frozenset({"NoSchedule", "NoExecute"})
"""Lists the effects of taints that keep a pod off. PreferNoSchedule does not."""


def suits(terms: Sequence[NodeTerm] | None, node: KubeNode, *, unknown: bool = False) -> bool:
    """Checks whether at least one of the terms matches the node.

    Without terms every node matches; with an empty list no node does. Whatever comes from a newer API matches if
    `unknown` is true.
    """
    return terms is None or any(_term_holds(term, node, unknown=unknown) for term in terms)


def untolerated(node: KubeNode, tolerations: Sequence[Toleration], *, unknown: bool = False) -> str:
    """Returns the first taint of the node that keeps such a pod off. It is empty if there is none."""
    return next((taint for taint in node.taints if not tolerates(tolerations, taint, unknown=unknown)), "")


def tolerates(tolerations: Sequence[Toleration], taint: str, *, unknown: bool = False) -> bool:
    """Checks whether the tolerations cover a taint, given as `key=value:effect`.

    A taint that only asks to avoid the node is always tolerated.
    """
    name, _, effect = taint.rpartition(":")
    key, _, value = name.partition("=")
    return effect not in REPELLING or any(_covers(one, key, value, effect, unknown=unknown) for one in tolerations)


def _term_holds(term: NodeTerm, node: KubeNode, *, unknown: bool) -> bool:
    if not term.labels and not term.fields:
        return False
    known = {NAME_FIELD: node.name}
    strange = [one.operator is Operator.OTHER for one in term.labels]
    strange += [one.operator is Operator.OTHER or one.key not in known for one in term.fields]
    told = [holds(one, node.labels) for one in term.labels] + [holds(one, known) for one in term.fields]
    return all(unknown if is_strange else one for is_strange, one in zip(strange, told, strict=True))


def _covers(toleration: Toleration, key: str, value: str, effect: str, *, unknown: bool) -> bool:
    """Checks whether the toleration covers the taint, as the scheduler does.

    `Gt` covers taints whose value is greater than the toleration's.
    """
    if toleration.effect not in {"", effect} or toleration.key not in {"", key}:
        return False
    match toleration.operator:
        case "Exists":
            return True
        case "Equal":
            return toleration.value == value
        case "Gt" | "Lt":
            return _covers_number(toleration, value)
    return unknown


def _covers_number(toleration: Toleration, value: str) -> bool:
    taint, limit = integer(value, PLAIN_INTEGER), integer(toleration.value, PLAIN_INTEGER)
    if taint is None or limit is None:
        return False
    return taint > limit if toleration.operator == "Gt" else taint < limit
