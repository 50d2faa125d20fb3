"""What the API server's answer to an eviction means: the one place where its odd answers are known."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from tasks.models.base import Model

TWO_BUDGETS = "more than one PodDisruptionBudget"
"""v1.36 and v1.37 say it with HTTP 500, older source with 201 and the failure in the body: it is found in either."""

BUDGET_RETRY = timedelta(seconds=5)
"""As kubectl; a budget's figures change when pods become ready."""

LONGEST_BACKOFF = timedelta(seconds=30)

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


def judge_eviction(status: int, body: Mapping[str, Any], retry_after: timedelta | None, tries: int) -> Judged:
    """`tries` counts those before, for answers that ask for no time of their own: 1, 2, 4, ... 30 s."""
    message = str(body.get("message", "")) or f"HTTP {status}"
    code = _code(status, body)
    if TWO_BUDGETS in message:
        return Judged(outcome=Outcome.HOPELESS, why=message)
    if code < HTTPStatus.MULTIPLE_CHOICES:
        return Judged(outcome=Outcome.GOING)
    if code == HTTPStatus.NOT_FOUND:
        return Judged(outcome=Outcome.GONE)
    return _refused(code, body, message, retry_after or _told_seconds(body), tries)


def _refused(code: int, body: Mapping[str, Any], message: str, asked: timedelta | None, tries: int) -> Judged:
    budget = _cause(body, "DisruptionBudget")
    if budget and code == HTTPStatus.TOO_MANY_REQUESTS:
        return Judged(outcome=Outcome.AGAIN, why=budget, after=asked or BUDGET_RETRY, by_budget=True)
    if _cause(body, "NamespaceTerminating"):
        why = "its namespace is being deleted, and it is to go with it"
        return Judged(outcome=Outcome.AGAIN, why=why, after=BUDGET_RETRY)
    if code in PASSING or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Judged(outcome=Outcome.AGAIN, why=f"{code} {message}", after=asked or backoff(tries))
    return Judged(outcome=Outcome.HOPELESS, why=f"{code} {budget or message}")


def backoff(tries: int) -> timedelta:
    """1, 2, 4, ... 30 s."""
    return min(timedelta(seconds=1 << min(tries, 10)), LONGEST_BACKOFF)


def _code(status: int, body: Mapping[str, Any]) -> int:
    """A failure inside a success is a failure."""
    if status < HTTPStatus.MULTIPLE_CHOICES and body.get("status") == "Failure":
        return int(body.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR)
    return status


def _told_seconds(body: Mapping[str, Any]) -> timedelta | None:
    seconds = (body.get("details") or {}).get("retryAfterSeconds")
    return timedelta(seconds=seconds) if seconds else None


def _cause(body: Mapping[str, Any], reason: str) -> str:
    for cause in (body.get("details") or {}).get("causes") or ():
        if cause.get("reason") == reason:
            return str(cause.get("message", reason))
    return ""
