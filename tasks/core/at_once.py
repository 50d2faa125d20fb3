"""Several machines at once, and waiting for what takes its time."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from typing import TypeVar

from tasks.core.errors import NotYet, RunbookError

T = TypeVar("T")
R = TypeVar("R")

MOST = 32
"""Machines that are worked on at once."""

LOOK_EVERY = timedelta(seconds=1)


def on_all(act: Callable[[T], R], subjects: Sequence[T]) -> list[R]:
    """Does something for all at once and waits for all of them; their results in that order.

    When some fail, all their problems are in one error: of the kind that is not retried if one is of that kind.
    """
    if not subjects:
        return []
    errors: list[RunbookError] = []
    results: list[R] = []
    with ThreadPoolExecutor(max_workers=min(len(subjects), MOST), thread_name_prefix="on-all") as pool:
        for future in [pool.submit(copy_context().run, act, subject) for subject in subjects]:
            try:
                results.append(future.result())
            except RunbookError as error:
                errors.append(error)
    if errors:
        raise _together(errors)
    return results


def wait_for(look: Callable[[], R], limit: timedelta) -> R:
    """Looks each second until it raises `NotYet` no more; the last one is raised when the time is up."""
    end = time.monotonic() + limit.total_seconds()
    while True:
        try:
            return look()
        except NotYet:
            if time.monotonic() >= end:
                raise
        time.sleep(LOOK_EVERY.total_seconds())


def _together(errors: Sequence[RunbookError]) -> RunbookError:
    if len(errors) == 1:
        return errors[0]
    final = [error for error in errors if not isinstance(error, NotYet)]
    kind = type(final[0]) if final else NotYet
    hints = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    return kind("; ".join(error.problem for error in errors), hint=hints)
