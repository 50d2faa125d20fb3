"""Decides how many workers run at once, in which waves, and how many may fail."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.node_work.models.waves import Waves

HUNDRED = 100


class Limit(NamedTuple):
    """This is the maximum number of workers at once, with a caution for the operator."""

    workers: int
    caution: str = ""


def limit_of(max_unavailable: str, workers: int) -> Limit:
    """Returns how many workers may run at once.

    A number is kept as it is; a percentage of the workers is rounded down. The result is never below 1, and
    raising it to 1 adds a caution.
    """
    if not max_unavailable.endswith("%"):
        return Limit(int(max_unavailable))
    percent = int(max_unavailable.removesuffix("%"))
    if (floor := workers * percent // HUNDRED) or not workers:
        return Limit(max(floor, 1))
    return Limit(1, f"{percent} % of {workers} workers is less than one: one at a time")


def plan_waves(names: Sequence[str], waves: Waves, *, workers: int) -> tuple[tuple[str, ...], ...]:
    """Plans the waves; each name appears once, sorted.

    No wave is larger than the limit. A percentage refers to all `workers` of the cluster, also to those that
    are not named. With a canary, the waves are 1, 2, 4, ... up to the limit. So a problem that affects all
    workers hits one of them first.
    """
    limit = limit_of(waves.max_unavailable, workers).workers
    size = 1 if waves.canary else limit
    remaining, planned = sorted(names), []
    while remaining:
        planned.append(tuple(remaining[:size]))
        remaining, size = remaining[size:], min(size * 2, limit)
    return tuple(planned)


def may_go_on(failed: int, budget: int) -> bool:
    """Returns True if the next wave may begin after so many workers failed.

    Up to `budget` workers may fail; by default it is 0.
    """
    return failed <= budget
