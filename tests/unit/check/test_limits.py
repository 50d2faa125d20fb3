"""Checks beside each other: each says what it found, whatever the others do."""

from collections.abc import Sequence
from datetime import timedelta
from threading import Event

from tasks.check.limits import Check, in_time
from tasks.check.models import Finding, State
from tasks.core.errors import Refused


def found(subject: str) -> Sequence[Finding]:
    """Something that works."""
    return (Finding(area="ssh", subject=subject, state=State.OK, told="works"),)


def test_one_that_raises_hides_no_other_and_says_what_to_do() -> None:
    """A refusal has its own next step; what nobody expected is a bug."""

    def refused() -> Sequence[Finding]:
        raise Refused("cp2: no", hint="do it")

    def broken() -> Sequence[Finding]:
        raise KeyError("x")

    checks = [Check("ssh", "cp2", refused), Check("api", "x", broken), Check("ssh", "cp1", lambda: found("cp1"))]
    first, second, third = in_time(checks)
    assert (first.area, first.subject, first.state, first.told, first.fix) == (
        "ssh",
        "cp2",
        State.FAIL,
        "no",
        "do it",
    )
    assert (second.state, second.told, second.fix) == (State.FAIL, "KeyError: 'x'", "report this as a bug")
    assert third.state is State.OK


def test_one_that_hangs_is_a_failure_and_its_neighbour_is_told() -> None:
    """It is not waited for."""
    never, began = Event(), Event()

    def hangs() -> Sequence[Finding]:
        began.set()
        never.wait()
        return ()

    def after_that() -> Sequence[Finding]:
        began.wait()
        return found("cp1")

    hung, good = in_time([Check("etcd", "members", hangs), Check("ssh", "cp1", after_that)], timedelta(seconds=1))
    never.set()
    assert (hung.state, hung.told) == (State.FAIL, "no answer within 1 s")
    assert good.state is State.OK


def test_a_finding_needs_what_its_check_needs_unless_it_says_more() -> None:
    """A failure, too: what it depends on is known before it is tried."""

    def refused() -> Sequence[Finding]:
        raise Refused("no", hint="do it")

    def two() -> Sequence[Finding]:
        return (*found("x"), Finding(area="api", subject="cp1", state=State.OK, told="works", needs=("ssh cp1",)))

    needs = [one.needs for one in in_time([Check("ssh", "cp1", refused, ("keys",)), Check("api", "x", two, ("keys",))])]
    assert needs == [("keys",), ("keys",), ("ssh cp1",)]
