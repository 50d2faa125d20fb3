"""How many workers at once, in which waves, and how many may fail."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.node_work.models.waves import Waves

HUNDRED = 100


class Limit(NamedTuple):
    """The most workers at once, and what a person should know of it."""

    workers: int
    caution: str = ""


def limit_of(max_unavailable: str, workers: int) -> Limit:
    """A number as it is, a percentage of the workers rounded down; never less than 1, and never silently."""
    if not max_unavailable.endswith("%"):
        return Limit(int(max_unavailable))
    percent = int(max_unavailable.removesuffix("%"))
    if (floor := workers * percent // HUNDRED) or not workers:
        return Limit(max(floor, 1))
    return Limit(1, f"{percent} % of {workers} workers is less than one: one at a time")


def plan_waves(names: Sequence[str], waves: Waves, *, workers: int) -> tuple[tuple[str, ...], ...]:
    """Each name once, sorted; no wave above the limit, which is of all `workers` of the cluster, also those not named.

    With a canary the waves are 1, 2, 4, ... up to the limit, so that what is wrong with all of them meets one first.
    """
    limit = limit_of(waves.max_unavailable, workers).workers
    size = 1 if waves.canary else limit
    remaining, planned = sorted(names), []
    while remaining:
        planned.append(tuple(remaining[:size]))
        remaining, size = remaining[size:], min(size * 2, limit)
    return tuple(planned)


def may_go_on(failed: int, budget: int) -> bool:
    """Whether the next wave may begin after so many workers failed: up to the budget, which is 0 by default."""
    return failed <= budget
