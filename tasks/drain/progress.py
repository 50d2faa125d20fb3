"""Describes in words what a drain waits for."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby

from tasks.core.words import counted
from tasks.drain.models import DrainProgress, Waiting

Listener = Callable[[DrainProgress], None]


def in_words(progress: DrainProgress) -> str:
    """Describes what is missing now, with each reason once."""
    return f"{progress.gone} of {counted(progress.of, 'pod')} gone; {'; '.join(grouped(progress.waiting))}"


def grouped(waiting: Iterable[Waiting]) -> tuple[str, ...]:
    """Returns one line for each reason."""
    ordered = sorted(waiting, key=lambda one: (one.why, one.since, one.what))
    groups = [(why, list(group)) for why, group in groupby(ordered, key=lambda one: one.why)]
    return tuple(
        f"{', '.join(one.what for one in group)}: {why}, waited for since {clock(group[0].since)}"
        for why, group in groups
    )


def clock(moment: datetime) -> str:
    """Formats a time, as in `12:05:09`."""
    return f"{moment:%H:%M:%S}"
