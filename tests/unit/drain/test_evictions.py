"""Answers to evictions: those in data/drain/answers.json are of a real API server, v1.36.3."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.drain.policy.evictions import Judged, Outcome, backoff, judge_eviction

ANSWERS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "drain" / "answers.json").read_text()
)
TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


def judged(name: str, tries: int = 0) -> Judged:
    """What a recorded answer means."""
    answer = ANSWERS[name]
    wait = answer["retry_after"]
    return judge_eviction(answer["status"], answer["body"], timedelta(seconds=int(wait)) if wait else None, tries)


def made(status: int, body: dict[str, Any], retry_after: int = 0, tries: int = 0) -> Judged:
    """What an answer that is not recorded means."""
    return judge_eviction(status, body, timedelta(seconds=retry_after) if retry_after else None, tries)


def test_recorded_answers() -> None:
    """Each kind that was provoked."""
    assert judged("accepted") == Judged(outcome=Outcome.GOING)
    assert judged("not_found") == Judged(outcome=Outcome.GONE)
    two = Judged(outcome=Outcome.AGAIN, why=f"500 {TWO}", after=timedelta(seconds=1), is_unclear=True)
    assert judged("two_budgets") == two
    short = "The disruption budget web needs 3 healthy pods and has 3 currently"
    assert judged("budget") == Judged(outcome=Outcome.AGAIN, why=short, after=timedelta(seconds=5), by_budget=True)
    busy = "The disruption budget sick is still being processed by the server."
    assert judged("other_uid") == Judged(outcome=Outcome.AGAIN, why=busy, after=timedelta(seconds=10), by_budget=True)
    terminating = judged("namespace_terminating")
    assert (terminating.outcome, terminating.after) == (Outcome.AGAIN, timedelta(seconds=5))
    assert terminating.why == "its namespace is being deleted, and it is to go with it"


@pytest.mark.parametrize(
    ("status", "body", "outcome", "why"),
    [
        (200, {"status": "Success"}, Outcome.GOING, ""),
        (201, {"status": "Failure", "code": 500, "message": TWO}, Outcome.AGAIN, f"500 {TWO}"),
        (201, {"status": "Failure", "code": 500, "message": "etcd is away"}, Outcome.AGAIN, "500 etcd is away"),
        (201, {"status": "Failure", "message": "strange"}, Outcome.AGAIN, "500 strange"),
        (409, {"message": "the UID differs"}, Outcome.AGAIN, "409 the UID differs"),
        (500, {"message": "a webhook failed"}, Outcome.AGAIN, "500 a webhook failed"),
        (504, {}, Outcome.AGAIN, "504 HTTP 504"),
        (429, {"message": "too many requests"}, Outcome.AGAIN, "429 too many requests"),
        (403, {"message": "may not"}, Outcome.HOPELESS, "403 may not"),
        (422, {"message": "no such thing"}, Outcome.HOPELESS, "422 no such thing"),
        (
            403,
            {
                "details": {
                    "causes": [{"reason": "x"}, {"reason": "DisruptionBudget", "message": "allowed is negative"}]
                }
            },
            Outcome.HOPELESS,
            "403 allowed is negative",
        ),
    ],
)
def test_other_answers(status: int, body: dict[str, Any], outcome: Outcome, why: str) -> None:
    """A failure inside a success is one, and its code decides."""
    found = made(status, body)
    assert (found.outcome, found.why, found.by_budget) == (outcome, why, False)
    assert found.is_unclear == why.startswith("50")


def test_the_time_that_a_server_asks_for_is_kept_else_it_doubles() -> None:
    """Header first, then the body, then 1, 2, 4, ... 30 s."""
    assert made(429, {}, retry_after=7).after == timedelta(seconds=7)
    assert made(429, {"details": {"retryAfterSeconds": 9}}).after == timedelta(seconds=9)
    assert made(504, {"details": {"retryAfterSeconds": 10}}).after == timedelta(seconds=10)
    assert [made(429, {}, tries=tries).after.total_seconds() for tries in range(3)] == [1, 2, 4]
    assert backoff(100) == timedelta(seconds=30)


def test_a_request_that_got_no_answer_may_have_been_done() -> None:
    """The cordon has to stay then, as for a pod that is on its way."""
    assert Judged(outcome=Outcome.AGAIN, unanswered=True).may_be_going
    assert Judged(outcome=Outcome.GOING).may_be_going
    assert not Judged(outcome=Outcome.AGAIN).may_be_going
