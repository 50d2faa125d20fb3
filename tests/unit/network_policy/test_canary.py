"""What a canary is, where it runs, and what its connections show."""

from typing import Any

import pytest

from tasks.core.models import outside
from tasks.network_policy.models import Enforcement, Leftover, Seen, Try, Verdict
from tasks.network_policy.policy.canary import (
    CONTROL_PLANE,
    LABELS,
    choose_nodes,
    deny_body,
    image_of,
    judge_before,
    judge_canary,
    namespace_body,
    pod_body,
    why_not_ready,
)
from tasks.network_policy.probes.canary import parse_leftover
from tasks.pod_security.policy.workloads import judge
from tasks.pod_security.probes.pods import parse_found

Object = dict[str, Any]


def node(name: str, *taints: str, ready: str = "True", system: str = "linux", **spec: object) -> outside.Node:
    """A node; a taint is `KEY` or `KEY:EFFECT`."""
    told = [one.partition(":") for one in taints]
    made = {
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key, "effect": effect or "NoSchedule"} for key, _, effect in told], **spec},
        "status": {
            "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "nodeInfo": {"operatingSystem": system},
        },
    }
    return outside.Node.read(made, "a node")


def test_two_nodes_that_take_pods_are_chosen_and_another_run_begins_with_another() -> None:
    """One of them twice if there is no other."""
    known = {"w1", "w2", "w3", "w4", "cp1"}
    others = [
        node("cp1", CONTROL_PLANE),
        node("w3", ready="Unknown"),
        node("w4", unschedulable=True),
        node("w5"),
        node("w6", system="windows"),
    ]
    both = [node("w1"), node("w2", "soft:PreferNoSchedule"), *others]
    assert {choose_nodes(both, known, seed) for seed in "abcdef"} == {("w1", "w2"), ("w2", "w1")}
    assert choose_nodes([node("w1"), *others], known, "a") == ("w1", "w1")
    assert choose_nodes([node("w1", "gpu"), *others], known, "a") == ("cp1", "cp1")
    assert choose_nodes([node("w1", "gpu")], known, "a") is None
    assert choose_nodes([node("w6", system="windows")], {"w6"}, "a") is None


def test_the_image_is_the_one_that_the_dns_pods_run() -> None:
    """If that is CoreDNS."""

    def pods(*images: str) -> list[outside.GivenPod]:
        spec = {"containers": [{"name": str(index), "image": one} for index, one in enumerate(images)]}
        return [outside.GivenPod.read({"metadata": {"name": "dns", "namespace": "kube-system"}, "spec": spec}, "a pod")]

    assert image_of(pods("registry.example/side:1", "registry.example/coredns/coredns:v1.14.6")).endswith(":v1.14.6")
    assert image_of(pods("registry.example/kube-dns:1")) == ""


def test_a_pod_of_the_canary_fits_the_level_that_its_namespace_enforces() -> None:
    """By our own rules; the component test asks the API server."""
    raw = pod_body("one", "coredns:1", "w1")
    found = parse_found("Pod", {**raw, "metadata": {**raw["metadata"], "namespace": "x", "uid": "u"}})
    assert found
    assert judge(found.pod, 37) == ()
    labels = namespace_body("x", "r1", "2026-12-01T12:00:00Z")["metadata"]["labels"]
    assert labels == {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    assert deny_body()["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        (
            {
                "containerStatuses": [
                    {"state": {"running": {}}},
                    {"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}},
                ]
            },
            "ErrImagePull: no",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "ContainerCreating"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]}, "0/2 nodes"),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}], "phase": "Running"}, "Running"),
        ({"message": "the node was low on memory", "phase": "Failed"}, "the node was low on memory"),
        ({}, "Pending"),
    ],
    ids=["ready", "image", "creating", "scheduled", "running", "evicted", "new"],
)
def test_why_a_pod_does_not_start_is_told(status: Object, why: str) -> None:
    """The first thing that somebody can act on."""
    pod = outside.PodProgress.read({"metadata": {"name": "one", "namespace": "x"}, "status": status}, "a pod")
    assert why_not_ready(pod) == (f"pod x/one is not Ready: {why}" if why else "")


def tried(seen: Seen, source: str = "x/one", said: str = "") -> Try:
    """A connection."""
    return Try(source=source, target="x/two", port=5353, seen=seen, said=said)


OPEN, CLOSED, SILENT = tried(Seen.OPEN), tried(Seen.DROPPED), tried(Seen.UNKNOWN, said="w1: no answer")
OWN = tried(Seen.OPEN, "node w1")


def test_a_connection_that_is_closed_from_the_start_shows_nothing() -> None:
    """With the words of the node."""
    assert judge_before([OPEN, OWN]) == ""
    assert judge_before([OPEN, SILENT]).endswith("x/one to x/two port 5353: not tried (w1: no answer)")
    assert judge_before([OPEN, CLOSED]).endswith("x/one to x/two port 5353: dropped")


def test_only_what_is_open_closed_and_open_again_is_enforced() -> None:
    """An open one is a leak, unless a policy of another kind may allow it."""

    def judged(denied: Try, again: Try = OPEN, own: Try = OWN, *, others: bool = False) -> Enforcement:
        return judge_canary([own], [denied], [again], others=others)

    assert judged(CLOSED).verdict is Verdict.ENFORCED
    leak = judge_canary([OWN], [OPEN, CLOSED], [])
    assert (leak.verdict, len(leak.leaks), len(leak.denied)) == (Verdict.NOT_ENFORCED, 1, 2)
    assert judged(OPEN, others=True).verdict is Verdict.UNKNOWN
    assert judged(CLOSED, own=tried(Seen.REFUSED, "node w1")).verdict is Verdict.UNKNOWN
    stuck = judged(CLOSED, CLOSED)
    assert (stuck.verdict, "stayed closed after its policy was deleted" in stuck.reason) == (Verdict.UNKNOWN, True)


def test_a_namespace_of_a_canary_says_whose_it_is() -> None:
    """What nobody wrote is empty."""
    raw = namespace_body("c", "r1", "2026-12-01T12:00:00Z")
    raw["metadata"]["uid"] = "u"
    assert parse_leftover(raw) == Leftover("c", "u", "2026-12-01T12:00:00Z", "r1")
    going = {"metadata": {"name": "c", "uid": "u", "deletionTimestamp": "2026-12-01T12:00:00Z"}}
    assert parse_leftover(going) == Leftover("c", "u", "", "", is_going=True)
