"""Waves of workers: everyone once, never above the limit, a canary first."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.node_work.models.waves import Waves
from tasks.node_work.policy.waves import limit_of, may_go_on, plan_waves

names = st.sets(st.integers(0, 999), max_size=120).map(lambda numbers: [f"w{number}" for number in numbers])
quick = settings(deadline=None, max_examples=50)
amounts = st.one_of(st.integers(1, 200).map(str), st.integers(1, 100).map("{}%".format))


def sizes(workers: int, waves: dict[str, Any]) -> list[int]:
    """How many are in each wave."""
    planned = plan_waves([f"w{number:03}" for number in range(workers)], Waves(**waves), workers=workers)
    return [len(wave) for wave in planned]


# --- invariants


@quick
@given(names, amounts, st.booleans(), st.integers(0, 100), st.randoms(use_true_random=False))
def test_every_worker_once_and_never_above_the_limit(
    workers: list[str],
    amount: str,
    canary: bool,  # noqa: FBT001 - hypothesis gives it
    others: int,
    random: Random,
) -> None:
    """Whatever the order they are named in, and also when some are done already."""
    waves = Waves(max_unavailable=amount, canary=canary)
    planned = plan_waves(workers, waves, workers=len(workers) + others)
    limit = limit_of(amount, len(workers) + others).workers
    assert sorted(name for wave in planned for name in wave) == sorted(workers)
    assert all(1 <= len(wave) <= limit for wave in planned)
    shuffled = random.sample(workers, len(workers))
    assert plan_waves(shuffled, waves, workers=len(workers) + others) == planned


@quick
@given(names, amounts)
def test_a_canary_is_alone_and_waves_double_at_most(workers: list[str], amount: str) -> None:
    """Only the last wave, of those that are left, is smaller than the one before."""
    planned = plan_waves(workers, Waves(max_unavailable=amount), workers=len(workers))
    assert all(len(wave) == 1 for wave in planned[:1])
    grown = [len(wave) for wave in planned]
    assert all(after <= 2 * before for before, after in pairwise(grown))
    assert grown[:-1] == sorted(grown[:-1])


@quick
@given(st.integers(1, 100), st.integers(0, 5000))
def test_a_percentage_is_never_zero_and_never_more_than_asked_for(percent: int, workers: int) -> None:
    """Where it would be less than one worker it is one, and that is said."""
    limit = limit_of(f"{percent}%", workers)
    assert limit.workers >= 1
    assert limit.workers * 100 <= max(workers * percent, 100)
    assert bool(limit.caution) == (0 < workers * percent < 100)


# --- tables


@pytest.mark.parametrize(
    ("amount", "workers", "limit", "caution"),
    [
        ("1", 5, 1, ""),
        ("9", 5, 9, ""),
        ("25%", 8, 2, ""),
        ("25%", 11, 2, ""),
        ("25%", 4, 1, ""),
        ("25%", 3, 1, "25 % of 3 workers is less than one: one at a time"),
        ("1%", 99, 1, "1 % of 99 workers is less than one: one at a time"),
        ("1%", 100, 1, ""),
        ("100%", 7, 7, ""),
        ("50%", 0, 1, ""),
    ],
)
def test_limits(amount: str, workers: int, limit: int, caution: str) -> None:
    """Rounded down, and never silently to zero."""
    assert limit_of(amount, workers) == (limit, caution)


@pytest.mark.parametrize("amount", ["0", "0%", "101%", "-1", "25.5%", "", "%", "all", "00", "10000"])
def test_amounts_that_are_none(amount: str) -> None:
    """The form names the field."""
    with pytest.raises(ValidationError, match=r"(?m)^max_unavailable$"):
        Waves(max_unavailable=amount)


@pytest.mark.parametrize(
    ("workers", "waves", "planned"),
    [
        (0, {}, []),
        (3, {}, [1, 1, 1]),
        (12, {"max_unavailable": "4"}, [1, 2, 4, 4, 1]),
        (12, {"max_unavailable": "5"}, [1, 2, 4, 5]),
        (12, {"max_unavailable": "50%"}, [1, 2, 4, 5]),
        (12, {"max_unavailable": "100%"}, [1, 2, 4, 5]),
        (12, {"max_unavailable": "5", "canary": False}, [5, 5, 2]),
        (2, {"max_unavailable": "9", "canary": False}, [2]),
        (2, {"max_unavailable": "10%"}, [1, 1]),
    ],
)
def test_waves(workers: int, waves: dict[str, Any], planned: list[int]) -> None:
    """One, two, four, ... up to the limit."""
    assert sizes(workers, waves) == planned


def test_the_limit_is_of_all_workers_also_when_some_are_done() -> None:
    """Half of ten is five, when eight are left too."""
    left = [f"w{number}" for number in range(8)]
    planned = plan_waves(left, Waves(max_unavailable="50%", canary=False), workers=10)
    assert planned == (("w0", "w1", "w2", "w3", "w4"), ("w5", "w6", "w7"))


@pytest.mark.parametrize(
    ("failed", "budget", "goes_on"), [(0, 0, True), (1, 0, False), (2, 2, True), (3, 2, False), (0, 5, True)]
)
def test_the_error_budget(failed: int, budget: int, *, goes_on: bool) -> None:
    """None by default: the first one that fails stops the run."""
    assert may_go_on(failed, budget) == goes_on
    assert may_go_on(failed, Waves().error_budget) == (failed == 0)
