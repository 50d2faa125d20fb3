"""Reports what a wait is waiting for: in the log, and to the listener of this run."""

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Self

from tasks.core.errors import NotYet, TimedOut
from tasks.core.logs import log_about
from tasks.core.words import duration_in_words

LOOK_EVERY = timedelta(seconds=1)

QUIET = timedelta(seconds=1)
"""This is how long a wait writes no log line.

If a conflict is resolved by the next try, it is not worth a line.
"""

NEWS_EVERY = timedelta(seconds=5)
"""This is the shortest time between two log lines of a wait whose reason changes.

A reason with a counter in it changes every second.
"""

SAY_EVERY = timedelta(seconds=30)
"""This is the longest time between two log lines of a wait, even if its reason stays the same."""

LONGEST_REASON = 600
"""Limits the characters of a reason in one log line. The error at the end of a wait has the whole reason."""


@dataclass(frozen=True)
class Clock:
    """This is the clock of a wait. It never goes back."""

    seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()


class Waiting(NamedTuple):
    """This is the state of a wait, as a listener receives it after each check."""

    about: str
    """It names a node, a member or a cluster."""
    what: str
    why: str
    """It says what is missing now."""
    left: timedelta
    limit: timedelta

    @property
    def sentence(self) -> str:
        """Returns what the wait is for, the time left and what is missing. It does not name `about`."""
        return f"waiting for {self.what}; {in_words(self.left)} left: {self.why}"


Listener = Callable[[object, Waiting | None], None]
"""A listener receives the state of each wait after each check.

Each wait has a key of its own. The state is `None` when the wait is over.
"""

listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
"""This is the listener to the waits of this run. `tasks.run` sets it, and the threads of `on_all` inherit it."""


class Wait:
    """This is one wait. It is a context manager.

    It writes a log line when its reason changes, and at least every 30 s.

    `wait_for` is the usual way to wait. Use this class if a loop does more than check.
    """

    def __init__(self, what: str, limit: timedelta, *, about: str, clock: Clock = CLOCK) -> None:
        self._what, self._limit, self._about, self._clock = what, limit, about, clock
        self._began = clock.seconds()
        self._well_since: float | None = None
        self._reason, self._said_at, self._looks = "", -math.inf, 0
        self._looked_at = self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if hears := listener.get():
            hears(self, None)
        if kind is None and self._reason:
            log_about(self._about).info("waited %s for %s", in_words(self.waited), self._what)

    @property
    def waited(self) -> timedelta:
        """Returns the time since the wait began."""
        return timedelta(seconds=self._clock.seconds() - self._began)

    @property
    def is_over(self) -> bool:
        """True if the limit is reached."""
        return self.waited >= self._limit

    def says(self, why: str) -> None:
        """Reports what is missing after each check: always to the listener, and to the log when a line is due."""
        reason = " / ".join(why.removeprefix(f"{self._about}: ").splitlines())[:LONGEST_REASON]
        left = max(self._limit - self.waited, timedelta())
        now = Waiting(self._about, self._what, reason, left, self._limit)
        if hears := listener.get():
            hears(self, now)
        if self._is_due(reason, self._clock.seconds()):
            self._reason, self._said_at = reason, self._clock.seconds()
            log_about(self._about).info("%s", now.sentence)

    def _is_due(self, reason: str, now: float) -> bool:
        """Checks whether a log line is due.

        A line is also due if the next check would be too late for a line every 30 s. A check of a node can take 20 s.
        """
        since, look_took, self._looked_at = now - self._said_at, now - self._looked_at, now
        is_news = reason != self._reason and since >= NEWS_EVERY.total_seconds()
        return (is_news or since + look_took > SAY_EVERY.total_seconds()) and self.waited >= QUIET

    def misses(self, error: NotYet) -> None:
        """Reports a check that failed.

        When the limit is reached, it raises `TimedOut`. If only one check was made, it raises the error itself.
        """
        self._well_since = None
        self._looks += 1
        if not self.is_over:
            self.says(error.problem)
        elif self._looks == 1 or isinstance(error, TimedOut):
            raise error
        else:
            told = f"{error.problem} (waited {in_words(self._limit)} for {self._what})"
            raise TimedOut(told, hint=error.hint) from error

    def is_stable(self, stable_for: timedelta) -> bool:
        """Checks whether all checks have succeeded for this long, without a break.

        Call it after each check that succeeds.
        """
        self._looks += 1
        now = self._clock.seconds()
        self._well_since = now if self._well_since is None else self._well_since
        well = timedelta(seconds=now - self._well_since)
        if well < stable_for:
            self.says(f"nothing is missing for {in_words(well)}; it has to stay so for {in_words(stable_for)}")
        return well >= stable_for

    def pause(self, every: timedelta = LOOK_EVERY) -> None:
        """Sleeps until the next check."""
        self._clock.sleep(every.total_seconds())


def in_words(duration: timedelta) -> str:
    """Returns a duration in its two largest units, with whole seconds: `3 min 20 s`, `1 h 5 min`, `45 s`."""
    return duration_in_words(timedelta(seconds=math.ceil(duration.total_seconds())))
