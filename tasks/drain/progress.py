"""What a drain waits for, told: to a listener each time, to the log when it is news."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby

from tasks.core.logs import log_about
from tasks.drain.models import DrainProgress, Waiting

TELL_EVERY = timedelta(seconds=30)
"""For the same news."""

Tell = Callable[[DrainProgress], None]


class Teller:
    """Who is told, and what was told last."""

    def __init__(self, listener: Tell) -> None:
        self._listener = listener
        self._told: tuple[str, ...] = ()
        self._told_at = 0.0

    def tell(self, progress: DrainProgress) -> None:
        """To the listener each time; to the log when it is news, and each half minute."""
        self._listener(progress)
        told = grouped(progress.waiting)
        if told != self._told or time.monotonic() >= self._told_at + TELL_EVERY.total_seconds():
            self._told, self._told_at = told, time.monotonic()
            for line in told:
                log_about(progress.node).info("%d of %d pods are gone; %s", progress.gone, progress.of, line)


def grouped(waiting: Iterable[Waiting]) -> tuple[str, ...]:
    """One line for each reason."""
    ordered = sorted(waiting, key=lambda one: (one.why, one.since, one.what))
    groups = [(why, list(group)) for why, group in groupby(ordered, key=lambda one: one.why)]
    return tuple(
        f"{', '.join(one.what for one in group)}: {why}, waited for since {clock(group[0].since)}"
        for why, group in groups
    )


def clock(moment: datetime) -> str:
    """`12:05:09`."""
    return f"{moment:%H:%M:%S}"
