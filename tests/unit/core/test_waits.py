"""A wait says what it waits for: when that changes, at least every 30 s, and with the time left."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.core import waits
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused, RunbookError, TimedOut
from tasks.core.retries import is_not_yet
from tasks.core.waits import CLOCK, Clock, Wait, Waiting, in_words, listener

MINUTE = timedelta(minutes=1)


class Time:
    """Goes by only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = Clock(seconds=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Somebody sleeps."""
        self.now += seconds


@pytest.fixture
def time() -> Time:
    """At its beginning."""
    return Time()


class Lines(logging.Handler):
    """What the log has, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of a wait outside of a run."""
    handler, logger = Lines(), logging.getLogger("prefect.runbooks")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


@contextmanager
def heard() -> Iterator[list[Waiting | None]]:
    """What a listener gets."""
    states: list[Waiting | None] = []
    token = listener.set(lambda _, now: states.append(now))
    yield states
    listener.reset(token)


def wait(time: Time, until: float, limit: timedelta = 10 * MINUTE, why: str = "connection refused") -> str:
    """For an API server that answers at this second."""

    def look() -> str:
        if time.now < until:
            raise NotYet(f"cp2: {why.format(int(time.now))}", hint="journalctl -u kubelet")
        return "ok"

    return wait_for(look, limit, what="the API server to answer", about="cp2", clock=time.clock)


def test_a_reason_that_stays_is_said_at_once_and_every_30_seconds(time: Time, log: list[str]) -> None:
    """With the node in front, once, and with how long it took in the end."""
    assert wait(time, 70) == "ok"
    assert log == [
        "cp2: waiting for the API server to answer; 9 min 59 s left: connection refused",
        "cp2: waiting for the API server to answer; 9 min 29 s left: connection refused",
        "cp2: waiting for the API server to answer; 8 min 59 s left: connection refused",
        "cp2: waited 1 min 10 s for the API server to answer",
    ]


def test_a_reason_that_changes_is_said_when_it_changes(time: Time, log: list[str]) -> None:
    """One with a counter in it does not fill the log."""
    wait(time, 13, why="{} of 13 pods are ready")
    assert [line.rpartition(": ")[2] for line in log[:-1]] == [
        "1 of 13 pods are ready",
        "6 of 13 pods are ready",
        "11 of 13 pods are ready",
    ]


def test_what_the_next_look_finds_is_no_line(time: Time, log: list[str]) -> None:
    """A conflict that resolves itself."""
    wait(time, 1)
    assert log == []


def test_a_reason_of_several_lines_is_one_line_and_no_longer_than_a_line_can_be(time: Time, log: list[str]) -> None:
    """A terminal and a pipe show it alike."""
    wait(time, 3, why="first\nsecond" + "!" * 2000)
    assert "\n" not in log[0]
    assert "first / second!" in log[0]
    assert len(log[0]) < 700


def test_a_wait_that_ran_out_has_the_last_reason_and_is_not_retried_as_a_whole(time: Time) -> None:
    """`prove control plane` waited five minutes, and the task was retried for another five."""
    with pytest.raises(TimedOut, match="cp2: 300 is odd") as ended:
        wait(time, 900, 5 * MINUTE, why="{} is odd")
    assert ended.value.problem == "cp2: 300 is odd (waited 5 min for the API server to answer)"
    assert ended.value.hint == "journalctl -u kubelet"
    assert not is_retried(ended.value)


def test_what_never_waited_is_retried(time: Time) -> None:
    """A limit of zero, or a look that took longer than the limit."""
    with pytest.raises(NotYet) as once:
        wait(time, 900, timedelta())
    assert type(once.value) is NotYet
    assert is_retried(once.value)
    assert not is_retried(Refused("no"))


def test_a_longer_wait_around_one_that_ran_out_goes_on(time: Time) -> None:
    """A node that does not answer for a minute is no proof that fails; and its end is told once."""
    ends: list[float] = []

    def look() -> str:
        try:
            return wait(time, 100, MINUTE)
        except TimedOut:
            ends.append(time.now)
            raise

    assert wait_for(look, 5 * MINUTE, what="the proof", about="cp2", clock=time.clock) == "ok"
    assert ends == [60]
    time.now = 0
    with pytest.raises(TimedOut) as ended:
        wait_for(lambda: wait(time, 900, MINUTE), 2 * MINUTE, what="the proof", about="cp2", clock=time.clock)
    assert ended.value.problem == "cp2: connection refused (waited 1 min for the API server to answer)"


def test_one_node_that_ran_out_ends_the_work_on_all() -> None:
    """A retry would wait for it again; a refusal is still a refusal."""

    def act(error: RunbookError) -> None:
        raise error

    first, second, no = NotYet("cp1: lost"), TimedOut("cp2: down"), Refused("cp3: no")
    for errors, kind in (([first, second], TimedOut), ([first, second, no], Refused), ([first, first], NotYet)):
        with pytest.raises(kind) as ended:
            on_all(act, errors)
        assert type(ended.value) is kind


def test_what_has_to_be_stable_is_looked_at_until_it_was_so_without_a_break(time: Time, log: list[str]) -> None:
    """Also beyond the limit, if only the time is missing."""

    def look() -> float:
        if time.now < 3 or time.now == 8:
            raise NotYet("w1: a pod is not ready")
        return time.now

    found = wait_for(
        look, timedelta(seconds=15), what="it", about="w1", stable_for=timedelta(seconds=10), clock=time.clock
    )
    assert found == 19
    assert log[1] == "w1: waiting for it; 9 s left: nothing is missing for 3 s; it has to stay so for 10 s"


def test_a_listener_gets_each_look_and_the_end(time: Time) -> None:
    """Also of a wait that ended by an error, and from the threads of `on_all`."""
    with heard() as states:
        wait(time, 2)
        with pytest.raises(TimedOut):
            on_all(lambda _: wait(time, 900, MINUTE), ["cp2"])
    first = states[0]
    assert first
    assert (first.about, first.what, first.why) == ("cp2", "the API server to answer", "connection refused")
    assert [states[2], states[-1], states.count(None)] == [None, None, 2]
    assert first.left == 10 * MINUTE


def test_a_loop_of_its_own_says_the_same(time: Time, log: list[str]) -> None:
    """Where more is done than to look."""
    with Wait("the drain to end", MINUTE, about="w1", clock=time.clock) as one:
        while not one.is_over:
            one.says("1 of 2 pods are gone")
            one.pause(timedelta(seconds=20))
    assert len(log) == 3
    assert log[-1] == "w1: waited 1 min for the drain to end"


def test_it_goes_by_a_clock_that_never_goes_back() -> None:
    """The machine's own, unless somebody gives another one."""
    assert wait_for(lambda: 1, MINUTE, what="it", about="w1", clock=CLOCK) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.2, "1 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_a_duration_is_two_units_at_most(seconds: float, words: str) -> None:
    """As people say it."""
    assert in_words(timedelta(seconds=seconds)) == words


NO_WAITS = {
    "backup/scratch_etcd.py": "a program on the worker, which starts within a second",
    "ca_rotation/publish.py": "10 s, after which one look is made",
    "cert_rotation/pods.py": "some seconds, after which one look is made",
    "clients/ssh/node.py": "3 s for sshd to see the end of a session",
    "drain/observe.py": "3 s, after which one look is made",
    "node_work/controllers.py": "the 15 s of a Lease, after which one fact is known",
    "run/lock_keepers.py": "0.2 s between two tries",
    "volumes/quiesce.py": "2 s between two of three tries to thaw, each with a warning",
}


def test_nobody_waits_in_silence() -> None:
    """A loop that sleeps by itself says nothing: it uses `wait_for` or `Wait`."""
    tasks = Path(waits.__file__).parents[1]
    sleepers = {str(file.relative_to(tasks)) for file in tasks.rglob("*.py") if "time.sleep(" in file.read_text()}
    assert sleepers == set(NO_WAITS)


def is_retried(error: Exception) -> bool:
    """By Prefect, if a task raises it."""
    return is_not_yet(cast("Any", None), cast("Any", None), cast("Any", SimpleNamespace(data=error)))
