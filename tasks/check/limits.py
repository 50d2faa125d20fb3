"""Runs checks in parallel, each with a time limit.

No check delays the result beyond the limit, and no check hides another.
"""

import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import timedelta
from threading import Thread
from typing import NamedTuple

from tasks.check.models import Finding
from tasks.check.policy.fixes import failed, failed_by
from tasks.core.errors import RunbookError

LIMIT = timedelta(seconds=90)
"""Limits the time of one check.

Clients have shorter limits for each query, and one check makes several queries.
"""


class Check(NamedTuple):
    """This is something to try; it returns what it has found."""

    area: str
    subject: str
    act: Callable[[], Sequence[Finding]]
    needs: tuple[str, ...] = ()
    """What has to work first. A finding of this check that has no need of its own has this one."""


def in_time(checks: Sequence[Check], limit: timedelta = LIMIT) -> tuple[Finding, ...]:
    """Runs all checks in parallel and returns their findings in the order of the checks.

    A check that raises becomes a failure with the reason. So does a check that does not finish in time.
    """
    end = time.monotonic() + limit.total_seconds()
    started = [_Started(check) for check in checks]
    return tuple(finding for one in started for finding in one.findings(end, limit))


class _Started:
    """This is a started check in a thread for which the process does not wait when it exits."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: Sequence[Finding] = ()
        self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True, name=f"check {check.subject}")
        self._thread.start()

    def findings(self, end: float, limit: timedelta) -> Sequence[Finding]:
        """Returns what the check has found, or a failure that says that it did not answer."""
        self._thread.join(max(0.0, end - time.monotonic()))
        found = self._found
        if self._thread.is_alive():
            late = f"no answer within {limit.total_seconds():.0f} s"
            found = (self._failed(late, "check the network to it, and run the check again"),)
        return [one if one.needs else one.model_copy(update={"needs": self._check.needs}) for one in found]

    def _run(self) -> None:
        try:
            self._found = self._check.act()
        except RunbookError as error:
            self._found = (failed_by(self._check.area, self._check.subject, error),)
        except Exception as error:  # noqa: BLE001 - a check that breaks hides no other one
            self._found = (self._failed(f"{type(error).__name__}: {error}", "report this as a bug"),)

    def _failed(self, problem: str, fix: str) -> Finding:
        return failed(self._check.area, self._check.subject, problem, fix)
