"""Interprets the API server's answer to an eviction. Only this module knows its unusual answers."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from tasks.core.models.base import Model
from tasks.core.models.outside import Status

BUDGET_RETRY = timedelta(seconds=5)
"""This is the delay before the next attempt, as in kubectl.

The figures of a PodDisruptionBudget change when pods become ready.
"""

LONGEST_BACKOFF = timedelta(seconds=30)

LONGEST_ASKED = 3600
"""Limits the seconds that an answer may ask to wait. The drain's timeout is reached by then."""

PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT})


class Outcome(StrEnum):
    """Defines what to do next with the pod."""

    GOING = "going"
    """It means that the pod was asked to stop: wait until it is gone."""
    GONE = "gone"
    """It means that the pod does not exist."""
    AGAIN = "again"
    """It means that the eviction failed for now: try again later."""
    HOPELESS = "hopeless"
    """It means that the pod will never be evicted in this way."""


class Judged(Model):
    """Holds the interpretation of an answer."""

    outcome: Outcome
    why: str = ""
    after: timedelta = timedelta()
    by_budget: bool = False
    unanswered: bool = False
    is_unclear: bool = False
    """True for an error of the server.

    Kubernetes v1.36 and v1.37 also answer this for a pod with more than one PodDisruptionBudget.
    """

    @property
    def may_be_going(self) -> bool:
        """True if the pod was asked to stop, is gone, or may be.

        The server may have executed a request that got no answer.
        """
        return self.outcome is not Outcome.AGAIN or self.unanswered


def judge_eviction(status: int, body: Mapping[str, Any], retry_after: timedelta | None, tries: int) -> Judged:
    """Interprets the answer to an eviction.

    `tries` counts the previous attempts. It sets the delay if the answer asks for none: 1, 2, 4, ... 30 s.

    Raises:
        NotYet: the answer could not be parsed.
    """
    told = Status.read(body, "the answer to an eviction")
    message = told.message or f"HTTP {status}"
    code = _code(status, told)
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
        after, is_unclear = asked or backoff(tries), code >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Judged(outcome=Outcome.AGAIN, why=f"{code} {message}", after=after, is_unclear=is_unclear)
    return Judged(outcome=Outcome.HOPELESS, why=f"{code} {budget or message}")


def backoff(tries: int) -> timedelta:
    """Returns the delay before the next attempt: 1, 2, 4, ... 30 s."""
    return min(timedelta(seconds=1 << min(tries, 10)), LONGEST_BACKOFF)


def _code(status: int, told: Status) -> int:
    """Returns the status code. A failure inside a successful response counts as a failure."""
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
