"""What a site's gate says to what it was answered."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models.findings import Problem
from tasks.core.models.outside import WithConditions


def what_condition_says(found: Mapping[str, Any] | None, path: str, condition: str) -> Problem | None:
    """Why an object's condition does not let a run go on; `None` when it is True. `NotYet` when it is not understood."""
    if found is None:
        return Problem(text=f"there is no {path}")
    for one in WithConditions.read(found, path).status.conditions:
        if one.type == condition:
            is_true = one.status == "True"
            return None if is_true else Problem(text=f"{path} is not {condition}: {one.message}")
    return Problem(text=f"{path} has no condition {condition}")


def what_values_say(values: Mapping[str, float], *, at_most: float | None, at_least: float | None) -> Problem | None:
    """Which values are out of bounds, with their labels; not a number is out of any."""
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
