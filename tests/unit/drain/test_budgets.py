"""What budgets let go, with the figures of each."""

from typing import Any

import pytest

from tasks.drain.models import Treatment
from tasks.drain.policy.budgets import lets_go
from tests.facts.drain import AGO, budget, facts, forecast, pod, verdict

THREE = {"healthy": 3, "expected": 3}


@pytest.mark.parametrize(
    ("rule", "reason", "step"),
    [
        (
            {"max_unavailable": "0", "needed": 3, **THREE},
            "PodDisruptionBudget shop/web (maxUnavailable 0) needs 3 healthy pods, has 3 of 3, and allows 0 disruptions: never one",
            "set maxUnavailable of shop/web to 1 or more",
        ),
        (
            {"min_available": "100%", "needed": 3, **THREE},
            "(minAvailable 100%) needs 3 healthy pods, has 3 of 3",
            "lower minAvailable of shop/web",
        ),
        (
            {"min_available": "1", "needed": 1, "healthy": 1, "expected": 1},
            "(minAvailable 1) needs 1 healthy pods, has 1 of 1",
            "scale to 2 pods, or lower minAvailable of shop/web to 0",
        ),
        (
            {"min_available": "50%", "problem": "found no controllers for pod", "expected": 3},
            "PodDisruptionBudget shop/web (minAvailable 50%) cannot be counted: found no controllers for pod",
            "give shop/web a minAvailable that is a number, or its pods a controller with a scale",
        ),
    ],
)
def test_a_budget_that_never_allows_one(rule: dict[str, Any], reason: str, step: str) -> None:
    """With its figures and the way out."""
    found = verdict(facts(pod(), budgets=(budget(**rule), budget("other", namespace="elsewhere", allowed=1))))
    assert found.treatment is Treatment.BLOCKED
    assert reason in found.reason
    assert found.next_step == step


@pytest.mark.parametrize(
    "rule",
    [
        {"allowed": 1, "needed": 2, **THREE},
        {"needed": 2, "healthy": 2, "expected": 3},
        {"needed": 3, "is_counted": False, **THREE},
        {"needed": 3, "selector": None, **THREE},
    ],
)
def test_a_budget_that_may_allow_one_later(rule: dict[str, Any]) -> None:
    """Or that is not of this pod."""
    assert verdict(facts(pod(), budgets=(budget(min_available="2", **rule),))).treatment is Treatment.EVICT


def test_a_pod_that_is_just_made_again_is_counted() -> None:
    """The budget has counted one, two are there."""
    seen = facts(
        pod(), pod("web-1-b", node="w2"), budgets=(budget(min_available="1", needed=1, healthy=1, expected=1),)
    )
    found = forecast(seen)
    assert not found.blocked
    told = "PodDisruptionBudget shop/web (minAvailable 1) needs 1 healthy pods, has 1 of 1, and allows 0 disruptions"
    assert found.waits == (f"{told}: web-1-a would wait for it",)


def test_two_budgets_are_one_too_many() -> None:
    """Also when both would allow it; not for a pod that the server asks no budget for."""
    budgets = (budget("a", allowed=1), budget("b", allowed=1))
    found = verdict(facts(pod(), budgets=budgets))
    assert (
        found.reason
        == "2 PodDisruptionBudgets protect it (shop/a, shop/b): the API server evicts no pod with more than one"
    )
    assert found.next_step == "let their selectors not overlap"
    for one in (pod(phase="Pending"), pod(phase="Succeeded"), pod(stops_by=AGO)):
        assert verdict(facts(one, budgets=budgets)).treatment is Treatment.EVICT


@pytest.mark.parametrize(
    ("ready", "rule", "goes"),
    [
        (True, {"allowed": 0}, False),
        (True, {"allowed": 1}, True),
        (False, {"allowed": 0, "healthy": 1, "needed": 2}, False),
        (False, {"allowed": 1, "healthy": 1, "needed": 2}, True),
        (False, {"allowed": 0, "healthy": 2, "needed": 2}, True),
        (False, {"allowed": 0, "healthy": 0, "needed": 0}, False),
        (False, {"allowed": 0, "healthy": 0, "needed": 2, "always_allows_unready": True}, True),
    ],
)
def test_a_pod_that_is_not_ready(rule: dict[str, Any], *, ready: bool, goes: bool) -> None:
    """As the API server decides it."""
    assert lets_go(budget(**rule), pod(ready=ready)) is goes


def test_what_helps_a_pod_that_is_not_ready() -> None:
    """The policy of its budget: told with what is hopeless, and with what is waited for."""
    sick = pod(ready=False)
    found = verdict(facts(sick, budgets=(budget(min_available="1", needed=1, expected=1),)))
    step = "set unhealthyPodEvictionPolicy of shop/web to AlwaysAllow: this pod is not ready"
    assert found.next_step == f"scale to 2 pods, or lower minAvailable of shop/web to 0, or {step}"
    (wait,) = forecast(facts(sick, pod("b"), budgets=(budget(min_available="1", needed=1, expected=2),))).waits
    assert wait.endswith("web-1-a, b would wait for it (web-1-a would not with unhealthyPodEvictionPolicy AlwaysAllow)")
    always = budget(min_available="1", needed=1, expected=2, always_allows_unready=True, is_counted=False)
    (wait,) = forecast(facts(sick, budgets=(always,))).waits
    assert wait.endswith(": web-1-a would wait for it")
