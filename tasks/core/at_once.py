"""Runs a call for several nodes in parallel, and waits for a state that takes time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from typing import TypeVar

from tasks.core.errors import NotYet, RunbookError, TimedOut, in_lines
from tasks.core.waits import CLOCK, LOOK_EVERY, Clock, Wait

T = TypeVar("T")
R = TypeVar("R")

MOST = 32
"""Limits how many nodes are worked on in parallel."""


def on_all(act: Callable[[T], R], subjects: Sequence[T], *, most: int = MOST) -> list[R]:
    """Calls `act` for all subjects in parallel, waits for all of them, and returns their results in the same order.

    At most `most` calls run at once. If calls fail, one error contains all their problems. If any of these errors must not be retried, the combined
    error is not retried either.
    """
    if not subjects:
        return []
    errors: list[RunbookError] = []
    results: list[R] = []
    with ThreadPoolExecutor(max_workers=min(len(subjects), most), thread_name_prefix="on-all") as pool:
        for future in [pool.submit(copy_context().run, act, subject) for subject in subjects]:
            try:
                results.append(future.result())
            except RunbookError as error:
                errors.append(error)
    if errors:
        raise _together(errors)
    return results


def wait_for(  # noqa: PLR0913 - each has a name at the call
    look: Callable[[], R],
    limit: timedelta,
    *,
    what: str,
    about: str,
    stable_for: timedelta = timedelta(),
    every: timedelta = LOOK_EVERY,
    clock: Clock = CLOCK,
) -> R:
    """Calls `look` every second until it raises no `NotYet`, and returns what it found.

    When the reason changes, the log and the run's artifact say what is missing. They say it at least every 30 s, with
    the time left.

    Args:
        look: returns what it found, or raises `NotYet` with what is missing
        limit: the longest time to wait; with a limit of zero it calls `look` once
        what: completes "waiting for ...": `the API server to answer`
        about: the node, member or cluster with which the log line begins
        stable_for: how long all calls must succeed without a break
        every: the time between two calls
        clock: the clock that measures the wait

    Raises:
        TimedOut: the limit is reached; with the last reason and its next step. Prefect does not retry the task.
        NotYet: the first call already took longer than the limit. Prefect retries the task.
    """
    with Wait(what, limit, about=about, clock=clock) as wait:
        while True:
            try:
                found = look()
            except NotYet as error:
                wait.misses(error)
            else:
                if wait.is_stable(stable_for):
                    return found
            wait.pause(every)


def _together(errors: Sequence[RunbookError]) -> RunbookError:
    if len(errors) == 1:
        return errors[0]
    if final := [error for error in errors if not isinstance(error, NotYet)]:
        problem, hint = in_lines((error.problem, error.hint) for error in errors)
        return type(final[0])(problem, hint=hint)
    final = [error for error in errors if isinstance(error, TimedOut)]
    kind = type(final[0]) if final else NotYet
    hints = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    return kind("; ".join(error.problem for error in errors), hint=hints)
