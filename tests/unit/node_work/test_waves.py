"""Waves of workers: everyone once, never above the limit, a canary first; some may fail, as many as the error budget says."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.node_work.models.waves import Waves
from tasks.node_work.policy.waves import limit_of, may_go_on, plan_waves
from tasks.node_work.waves import on_wave

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
    assert may_go_on(failed, Waves().max_failed) == (failed == 0)


NO, BROKEN = Refused("w1: closed", hint="open it"), CommandFailed("w2: broken", hint="mend it")


def act(end: str | RunbookError) -> str:
    """On a node that ends so."""
    if isinstance(end, RunbookError):
        raise end
    return end


def name_of(end: str | RunbookError) -> str:
    """Of the node."""
    return str(end)[:2]


def test_as_many_as_the_budget_allows_may_fail() -> None:
    """The others are done; one more, of an earlier wave, and the run ends."""
    wave: list[str | RunbookError] = ["w3", BROKEN]
    assert on_wave(wave, act, name_of, failed_before=0, budget=1) == (["w3"], {"w2": "w2: broken -> mend it"})
    with pytest.raises(CommandFailed, match="w2: broken -> mend it\\n2 workers failed, --max-failed is 1"):
        on_wave(wave, act, name_of, failed_before=1, budget=1)


def test_where_a_rule_said_no_to_each_of_them_it_is_no_failure() -> None:
    """One that is broken makes it one, with all reasons and next steps."""
    with pytest.raises(Refused, match="w1: closed -> open it"):
        on_wave([NO], act, name_of, failed_before=0, budget=0)
    with pytest.raises(CommandFailed, match="w1: closed -> open it\\nw2: broken -> mend it"):
        on_wave([NO, BROKEN], act, name_of, failed_before=0, budget=0)
