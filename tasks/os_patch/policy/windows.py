"""Calculates when a maintenance window is open and until when, when the next one opens, and what fits into it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tasks.core.models.findings import Problem
from tasks.core.models.windows import Day, Opening, Window
from tasks.core.words import duration_in_words

DAYS_AHEAD = 16
"""Limits the search, in days.

In this time every window opens at least once, also when a clock change skips it once.
"""

HUNDRED = 100


def openings(window: Window, now: datetime) -> tuple[Opening, ...]:
    """Returns the openings of the next days that have not closed by now, in order."""
    zone = ZoneInfo(window.time_zone)
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=number) for number in range(-1, DAYS_AHEAD))
    found = (_opening(window, day, zone) for day in days if Day.of(datetime.combine(day, time())) in window.days)
    return tuple(one for one in found if one.opens < one.closes and now < one.closes)


def open_now(windows: Iterable[Window], now: datetime) -> Opening | None:
    """Returns the open window that leaves the most time, or `None`."""
    found = [one for window in windows for one in openings(window, now) if one.opens <= now]
    return max(found, key=lambda one: ends_of_run(one, now), default=None)


def next_opening(windows: Iterable[Window], now: datetime) -> Opening | None:
    """Returns the first window that opens after now, or `None`."""
    found = [one for window in windows for one in openings(window, now) if one.opens > now]
    return min(found, key=lambda one: one.opens, default=None)


def ends_of_run(opening: Opening, began: datetime) -> datetime:
    """Returns when a run that began at `began` must be over.

    That is the end of the window, or earlier by its `max_duration`.
    """
    return min(opening.closes, began + opening.max_duration) if opening.max_duration else opening.closes


def with_margin(expected: timedelta, margin_percent: int) -> timedelta:
    """Returns the duration with its margin, in whole seconds, rounded up."""
    seconds = int(expected.total_seconds())
    return timedelta(seconds=seconds + -(-seconds * margin_percent // HUNDRED))


def fit_into(
    groups: Sequence[Sequence[tuple[str, timedelta]]], now: datetime, until: datetime | None
) -> tuple[frozenset[str], dict[str, timedelta]]:
    """Returns the nodes that finish in time.

    For the others it returns how much time is left when their turn comes. Groups run one after the other; the
    members of a group run at the same time. A node that takes too long waits, and a shorter one after it may
    still fit.
    """
    fits: set[str] = set()
    waits: dict[str, timedelta] = {}
    cursor = now
    for group in groups:
        longest = timedelta()
        for name, needs in group:
            if until is None or cursor + needs <= until:
                fits.add(name)
                longest = max(longest, needs)
            else:
                waits[name] = max(until - cursor, timedelta())
        cursor += longest
    return frozenset(fits), waits


def why_too_late(needs: timedelta, until: datetime | None, *, now: datetime) -> Problem | None:
    """Returns why work that begins now would not finish in time, or `None`."""
    late = now + needs - until if until else timedelta()
    if not until or late <= timedelta():
        return None
    return Problem(text=f"it would end {duration_in_words(late)} after {until:%H:%M} UTC, when the window closes")


def _opening(window: Window, day: date, zone: ZoneInfo) -> Opening:
    later = day if window.ends > window.begins else day + timedelta(days=1)
    return Opening(
        opens=_moment(day, window.begins, zone),
        closes=_moment(later, window.ends, zone),
        max_duration=window.max_duration,
        window=window.in_words,
    )


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Returns when clocks in the zone first show this time.

    If a clock change skips it, the result is the first moment that is not before it.
    """
    wanted = datetime.combine(day, clock)
    first = wanted.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(first, zone) == wanted:
        return first
    moment = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap this one is before the jump
    while _shown(moment, zone) < wanted:
        moment += timedelta(minutes=1)
    return moment


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
