"""Decides if a site's own gate agrees, from what was asked for it."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models.findings import Problem
from tasks.core.models.outside import WithConditions


def what_condition_says(found: Mapping[str, Any] | None, path: str, condition: str) -> Problem | None:
    """Returns why the condition of an object stops a run, or `None` if the condition is True.

    It raises `NotYet` if the object cannot be parsed.
    """
    if found is None:
        return Problem(text=f"there is no {path}")
    for one in WithConditions.read(found, path).status.conditions:
        if one.type == condition:
            is_true = one.status == "True"
            return None if is_true else Problem(text=f"{path} is not {condition}: {one.message}")
    return Problem(text=f"{path} has no condition {condition}")


def what_values_say(values: Mapping[str, float], *, at_most: float | None, at_least: float | None) -> Problem | None:
    """Returns the values that are out of bounds, with their labels, or `None`.

    NaN is always out of bounds. If there is no value, the gate does not agree either.
    """
    if not values:
        return Problem(text="its query gives no value: end it with `or vector(0)` where nothing means that all is well")
    wrong = [
        f"{value:g}{f' ({labels})' if labels else ''}"
        for labels, value in values.items()
        if value != value  # noqa: PLR0124 - NaN is what is not equal to itself
        or (at_most is not None and value > at_most)
        or (at_least is not None and value < at_least)
    ]
    if not wrong:
        return None
    bounds = " and ".join(
        f"{words} {bound:g}" for words, bound in (("at most", at_most), ("at least", at_least)) if bound is not None
    )
    return Problem(text=f"{', '.join(wrong)}: it has to be {bounds}")
