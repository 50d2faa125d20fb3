"""The room for pods of a rollout: what they ask for, and what quotas and nodes have."""

from decimal import Decimal
from typing import Any

import pytest

from tasks.core.models.plan import Plan
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollout import Target
from tasks.workloads.models.room import QuotaLeft, Room
from tasks.workloads.policy.forecast import amount_in_words, surge_of
from tasks.workloads.policy.plan import plan_rollout
from tasks.workloads.room import asks_of
from tests.facts.workloads import change, request, rollout_facts, target

POD = {"pods": Decimal(1), "requests.cpu": Decimal("0.5"), "requests.memory": Decimal(2**30)}
IMAGE: dict[str, Any] = {"images": {"main": "web:2"}}


def container(**resources: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Of a pod."""
    return {"name": "main", "resources": resources}


@pytest.mark.parametrize(
    ("spec", "asks"),
    [
        ({"containers": [container()]}, {}),
        (
            {"containers": [container(requests={"cpu": "250m"}), container(requests={"cpu": 1}, limits={"cpu": "2"})]},
            {"requests.cpu": "1.25", "limits.cpu": "2"},
        ),
        (
            {"containers": [container(limits={"memory": "1Gi"})]},
            dict.fromkeys(("limits.memory", "requests.memory"), 2**30),
        ),
        (
            {
                "containers": [container(requests={"cpu": "1"})],
                "initContainers": [
                    container(requests={"cpu": "3"}),
                    container(requests={"cpu": "500m"}) | {"restartPolicy": "Always"},
                ],
                "overhead": {"cpu": "100m", "memory": "10"},
            },
            {"requests.cpu": "3.1", "requests.memory": "10"},
        ),
    ],
)
def test_a_pod_asks_for_what_its_containers_ask_for(spec: dict[str, Any], asks: dict[str, Any]) -> None:
    """Init containers run before the others, except for sidecars; a request that is missing is the limit."""
    wanted = {"pods": Decimal(1), **{name: Decimal(value) for name, value in asks.items()}}
    assert asks_of({"spec": spec}) == wanted


@pytest.mark.parametrize(
    ("changed", "found", "surge"),
    [
        (change(), {}, 1),
        (change(), {"max_surge": "25%", "replicas": 5}, 2),
        (change(images={"main": "x"}, replicas=9), {"max_surge": "50%"}, 5),
        (change(), {"max_surge": "3"}, 3),
        (change(), {"max_surge": ""}, 0),
        (change(), {"strategy": "Recreate"}, 0),
        (change(replicas=9), {}, 0),
        (change("sts/db", **IMAGE), {}, 0),
    ],
)
def test_a_rolling_update_has_more_pods_for_a_while(changed: Change, found: dict[str, Any], surge: int) -> None:
    """A part of the wanted ones, rounded up as the controller does."""
    assert surge_of(changed, target(changed.workload, **found)) == surge


def plan(changed: Change, **room: Any) -> Plan:  # noqa: ANN401 - fields of the room
    """Of one workload with two pods."""
    seen: Target = target(changed.workload, room=Room(**{"pod": POD, "fits": True} | room))
    return plan_rollout(rollout_facts(seen), request(changed), RolloutOptions())


def left(**amounts: Any) -> tuple[QuotaLeft, ...]:  # noqa: ANN401 - numbers
    """Of one quota; `requests_cpu` stands for requests.cpu."""
    return (QuotaLeft(name="q", left={name.replace("_", "."): Decimal(value) for name, value in amounts.items()}),)


@pytest.mark.parametrize(
    ("changed", "room", "lacks"),
    [
        (change(), {"quotas": left(pods=1, requests_cpu="0.5", services=0)}, ""),
        (
            change(),
            {"quotas": left(pods=0, requests_cpu="0.4")},
            "pods: 1 needed, 0 left, requests.cpu: 0.5 needed, 0.4 left",
        ),
        (change(replicas=4), {"quotas": left(requests_memory=2**30)}, "requests.memory: 2048Mi needed, 1024Mi left"),
        (change("sts/db", **IMAGE), {"quotas": left(pods=0)}, ""),
        (
            change("sts/db", requests={"cpu": "1"}),
            {"quotas": left(requests_cpu="0.7"), "growth": {"requests.cpu": Decimal("0.5")}},
            "requests.cpu: 1 needed, 0.7 left",
        ),
        (change("sts/db", **IMAGE), {"quotas": left(pods=-2)}, ""),
    ],
)
def test_a_quota_that_has_too_little_left_is_a_caution(changed: Change, room: dict[str, Any], lacks: str) -> None:
    """For the pods at its largest, or for pods that grow. What somebody uses meanwhile is no other question."""
    made = plan(changed, **room)
    assert made.refusals == ()
    told = [f"ResourceQuota q has too little left for its pods: {lacks}"] if lacks else []
    assert [one.problem for one in made.cautions] == told
    assert [one.basis for one in made.cautions] == ["ResourceQuota q has too little left for its pods: …"] * len(told)


def test_no_node_with_room_for_one_more_pod_is_a_caution() -> None:
    """With the most that is free. It is said only if there is one more pod, and never of a DaemonSet."""
    tight: dict[str, Any] = {"fits": False, "nodes": 3, "most": {"requests.cpu": Decimal("0.20"), "pods": Decimal(9)}}
    (caution,) = plan(change(), **tight).cautions
    assert caution.problem == (
        "no node has room for one more pod of it now: of 3 nodes, the most is cpu: 0.5 needed, 0.2 free, "
        "pods: 1 needed, 9 free"
    )
    (caution,) = plan(change(), fits=False).cautions
    assert caution.problem == "no node takes a pod of it"
    for changed in (change("sts/db", **IMAGE), change("ds/agent", **IMAGE)):
        assert plan(changed, **tight).cautions == ()


def test_what_could_not_be_read_is_said() -> None:
    """It is not taken for room. What needs no more room than now does not ask."""
    assert plan(change(replicas=1), unknown="list nodes").cautions == ()
    (caution,) = plan(change(), unknown="list nodes").cautions
    assert caution.problem == "whether there is room for its pods is not known: the user of the run may not list nodes"


def test_memory_is_in_mebibytes() -> None:
    """And nothing has an exponent."""
    words = [amount_in_words(*one) for one in (("requests.memory", Decimal(2**31)), ("pods", Decimal(100)))]
    assert words == ["2048Mi", "100"]
