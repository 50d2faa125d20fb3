"""How far a rollout is: kubectl's sentences, and ours where they are wrong or missing."""

from typing import Any

import pytest

from tasks.workloads.models.names import Kind
from tasks.workloads.policy.rollout import standing_of
from tests.facts.workloads import pod, workload

WEB = 'Waiting for deployment "web" rollout to finish:'
AGENT = 'Waiting for daemon set "web" rollout to finish:'


@pytest.mark.parametrize(
    ("changes", "kubectl", "problem"),
    [
        ({}, 'deployment "web" successfully rolled out', ""),
        (
            {"generation": 3},
            "Waiting for deployment spec update to be observed...",
            "its controller has not seen the change",
        ),
        ({"replicas": 2}, f"{WEB} 1 out of 2 new replicas have been updated...", "1 of 2 pods have the new template"),
        ({"existing": 2}, f"{WEB} 1 old replicas are pending termination...", "1 old pods remain"),
        ({"available": 0}, f"{WEB} 0 of 1 updated replicas are available...", "0 of 1 new pods are available"),
        (
            {"available": 0, "paused": True},
            f"{WEB} 0 of 1 updated replicas are available...",
            "0 of 1 new pods are available; it is paused: changes are stored and not rolled out",
        ),
    ],
)
def test_a_deployment(changes: dict[str, Any], kubectl: str, problem: str) -> None:
    """The order of the questions is kubectl's."""
    answer = standing_of(workload(**changes))
    assert (answer.kubectl, answer.problem, answer.done) == (kubectl, problem, not problem)
    assert not answer.failed


def test_a_deadline_that_was_exceeded_is_checked_before_the_counts() -> None:
    """As kubectl does."""
    answer = standing_of(workload(deadline_exceeded='ReplicaSet "web-2" has timed out progressing.', available=0))
    assert answer.failed
    assert answer.kubectl == 'error: deployment "web" exceeded its progress deadline'
    assert answer.problem == 'it made no progress in time: ReplicaSet "web-2" has timed out progressing.'


@pytest.mark.parametrize(
    ("changes", "kubectl", "problem"),
    [
        ({}, 'daemon set "web" successfully rolled out', ""),
        (
            {"observed": 1},
            "Waiting for daemon set spec update to be observed...",
            "its controller has not seen the change",
        ),
        ({"updated": 0}, f"{AGENT} 0 out of 1 new pods have been updated...", "0 of 1 pods have the new template"),
        ({"available": 0}, f"{AGENT} 0 of 1 updated pods are available...", "0 of 1 new pods are available"),
    ],
)
def test_a_daemon_set(changes: dict[str, Any], kubectl: str, problem: str) -> None:
    """It counts nodes, not replicas."""
    answer = standing_of(workload(Kind.DAEMON_SET, **changes))
    assert (answer.kubectl, answer.problem, answer.done) == (kubectl, problem, not problem)


@pytest.mark.parametrize(
    ("changes", "kubectl", "problem"),
    [
        ({}, "partitioned roll out complete: 1 new pods have been updated...", ""),
        (
            {"observed": 0},
            "Waiting for statefulset spec update to be observed...",
            "its controller has not seen the change",
        ),
        ({"ready": 0}, "Waiting for 1 pods to be ready...", "0 of 1 pods are ready"),
        (
            {"replicas": 3, "ready": 3, "available": 3, "partition": 1},
            "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            "1 of 2 pods have the new template",
        ),
        (
            {"replicas": 3, "ready": 3, "available": 3, "partition": 2},
            "partitioned roll out complete: 1 new pods have been updated...",
            "",
        ),
    ],
)
def test_a_stateful_set(changes: dict[str, Any], kubectl: str, problem: str) -> None:
    """A partition keeps the pods below it on the old template."""
    answer = standing_of(workload(Kind.STATEFUL_SET, **changes))
    assert (answer.kubectl, answer.problem, answer.done) == (kubectl, problem, not problem)


def test_what_kubectl_calls_rolled_out_has_to_be_available_too() -> None:
    """A StatefulSet whose pods are ready, and not yet for minReadySeconds."""
    answer = standing_of(workload(Kind.STATEFUL_SET, available=0))
    assert (answer.kubectl[:30], answer.done, answer.problem) == (
        "partitioned roll out complete:",
        False,
        "0 of 1 pods are available",
    )


@pytest.mark.parametrize("kind", [Kind.STATEFUL_SET, Kind.DAEMON_SET])
def test_on_delete_counts_what_somebody_has_to_delete(kind: Kind) -> None:
    """kubectl refuses to say anything."""
    old = pod("old", revision="1")
    answer = standing_of(workload(kind, strategy="OnDelete", pods=(old,)))
    assert answer.kubectl == "error: rollout status is only available for RollingUpdate strategy type"
    assert "0 of 1 pods have the new template; its strategy is OnDelete" in answer.problem
    assert (
        standing_of(workload(kind, strategy="OnDelete", observed=1)).problem == "its controller has not seen the change"
    )
    assert standing_of(workload(kind, strategy="OnDelete")).done


def test_what_is_being_deleted_will_not_finish() -> None:
    """Whatever its counts are."""
    assert standing_of(workload(deleting=True)).failed
