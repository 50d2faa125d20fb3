"""What the API server's answer to an eviction means: the one place where its odd answers are known."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from tasks.core.models.base import Model
from tasks.core.models.outside import Status

TWO_BUDGETS = "more than one PodDisruptionBudget"
"""v1.36 and v1.37 say it with HTTP 500, older source with 201 and the failure in the body: it is found in either."""

BUDGET_RETRY = timedelta(seconds=5)
"""As kubectl; a budget's figures change when pods become ready."""

LONGEST_BACKOFF = timedelta(seconds=30)

LONGEST_ASKED = 3600
"""Seconds that an answer may ask to wait: the limit of the drain is over by then."""

PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT})


class Outcome(StrEnum):
    """What to do next with the pod."""

    GOING = "going"
    """It is asked to stop: wait until it is gone."""
    GONE = "gone"
    """There is no such pod."""
    AGAIN = "again"
    """Try again later."""
    HOPELESS = "hopeless"
    """It will never be evicted like this."""


class Judged(Model):
    """An answer, understood."""

    outcome: Outcome
    why: str = ""
    after: timedelta = timedelta()
    by_budget: bool = False
    unanswered: bool = False

    @property
    def may_be_going(self) -> bool:
        """It is asked to stop, or gone, or nobody knows: a request that got no answer may have been done."""
        return self.outcome is not Outcome.AGAIN or self.unanswered


def judge_eviction(status: int, body: Mapping[str, Any], retry_after: timedelta | None, tries: int) -> Judged:
    """`tries` counts those before, for answers that ask for no time of their own: 1, 2, 4, ... 30 s.

    Raises `NotYet` where the answer is not understood.
    """
    told = Status.read(body, "the answer to an eviction")
    message = told.message or f"HTTP {status}"
    code = _code(status, told)
    if TWO_BUDGETS in message:
        return Judged(outcome=Outcome.HOPELESS, why=message)
    if code < HTTPStatus.MULTIPLE_CHOICES:
        return Judged(outcome=Outcome.GOING)
    if code == HTTPStatus.NOT_FOUND:
        return Judged(outcome=Outcome.GONE)
    return _refused(code, told, message, retry_after or _told_seconds(told), tries)


def _refused(code: int, told: Status, message: str, asked: timedelta | None, tries: int) -> Judged:
    budget = _cause(told, "DisruptionBudget")
    if budget and code == HTTPStatus.TOO_MANY_REQUESTS:
        return Judged(outcome=Outcome.AGAIN, why=budget, after=asked or BUDGET_RETRY, by_budget=True)
    if _cause(told, "NamespaceTerminating"):
        why = "its namespace is being deleted, and it is to go with it"
        return Judged(outcome=Outcome.AGAIN, why=why, after=BUDGET_RETRY)
    if code in PASSING or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Judged(outcome=Outcome.AGAIN, why=f"{code} {message}", after=asked or backoff(tries))
    return Judged(outcome=Outcome.HOPELESS, why=f"{code} {budget or message}")


def backoff(tries: int) -> timedelta:
    """1, 2, 4, ... 30 s."""
    return min(timedelta(seconds=1 << min(tries, 10)), LONGEST_BACKOFF)


def _code(status: int, told: Status) -> int:
    """A failure inside a success is a failure."""
    if status < HTTPStatus.MULTIPLE_CHOICES and told.status == "Failure":
        return told.code or HTTPStatus.INTERNAL_SERVER_ERROR
    return status


def _told_seconds(told: Status) -> timedelta | None:
    seconds = told.details.retry_after_seconds
    return timedelta(seconds=min(seconds, LONGEST_ASKED)) if seconds > 0 else None


def _cause(told: Status, reason: str) -> str:
    for cause in told.details.causes:
        if cause.reason == reason:
            return cause.message or reason
    return ""
