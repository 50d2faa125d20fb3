"""Workers at once: some may fail, as many as the error budget says; what stops a run is told as what it is."""

import pytest

from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.node_work.work import on_wave

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
    with pytest.raises(CommandFailed, match="2 workers failed, the error budget is 1; w2: broken"):
        on_wave(wave, act, name_of, failed_before=1, budget=1)


def test_where_a_rule_said_no_to_each_of_them_it_is_no_failure() -> None:
    """One that is broken makes it one, with all reasons and next steps."""
    with pytest.raises(Refused, match="w1: closed -> open it"):
        on_wave([NO], act, name_of, failed_before=0, budget=0)
    with pytest.raises(CommandFailed, match="w1: closed; w2: broken -> open it; mend it"):
        on_wave([NO, BROKEN], act, name_of, failed_before=0, budget=0)
