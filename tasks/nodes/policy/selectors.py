"""Evaluates selectors as the API server does."""

import re
from collections.abc import Mapping

from tasks.nodes.models.pods import LabelSelector, Operator, Requirement

SEEN_INTEGER = re.compile(r"[+-]?[0-9]+")
"""Matches an integer in a node label as strconv.ParseInt reads it."""

LARGEST = 2**63


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Checks whether the selector matches the labels.

    No selector matches nothing, and an empty one matches everything. policy/v1 does the same, checked on v1.36.3.
    """
    if selector is None:
        return False
    return holds_labels(selector.labels, labels) and all(holds(one, labels) for one in selector.expressions)


def holds_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Checks whether all wanted labels are present with the wanted value."""
    return wanted.items() <= labels.items()


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Checks whether the labels meet the requirement.

    A missing label is `NotIn` anything, and neither greater nor less.
    """
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


def _compares(requirement: Requirement, value: str | None) -> bool:
    operand = requirement.operands[0] if requirement.operands else ""
    left, right = integer(value or "", SEEN_INTEGER), integer(operand, SEEN_INTEGER)
    if left is None or right is None:
        return False
    return left > right if requirement.operator is Operator.GT else left < right


def integer(text: str, form: re.Pattern[str]) -> int | None:
    """Returns the integer if it fits into 64 bits, else None."""
    number = int(text) if form.fullmatch(text) else LARGEST
    return number if -LARGEST <= number < LARGEST else None
