"""What a drain does to each pod, and whether it will ever end: tables with the figures of each rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict
from tasks.drain.policy.findings import evicted_by
from tasks.drain.policy.forecast import EVICTED, forecast_drain, lets_go, matching
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import (
    Budget,
    Controller,
    DrainFacts,
    LabelSelector,
    NodeTerm,
    Operator,
    Pod,
    Requirement,
    Toleration,
    Volume,
)
from tasks.nodes.models.workloads import Webhook

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OPTIONS = DrainOptions()
FORCE = DrainOptions(force=True)
REPLICAS = Controller(kind="ReplicaSet", api_version="apps/v1", name="web-1")
DAEMONS = Controller(kind="DaemonSet", api_version="apps/v1", name="agent")
APP = LabelSelector(labels={"app": "web"})


def node(name: str, **other: Any) -> KubeNode:  # noqa: ANN401 - the model's fields
    """Ready, and takes pods."""
    labels = {"kubernetes.io/hostname": name}
    return KubeNode(**({"name": name, "ready": True, "kubelet": "1.36.3", "labels": labels} | other))


def pod(name: str = "web-1-a", **other: Any) -> Pod:  # noqa: ANN401 - the model's fields
    """Of a ReplicaSet, on w1."""
    given = {"namespace": "shop", "name": name, "uid": name, "node": "w1", "labels": {"app": "web"}}
    return Pod(**(given | {"controller": REPLICAS} | other))


def budget(name: str = "web", **other: Any) -> Budget:  # noqa: ANN401 - the model's fields
    """Of the pods that `pod` makes."""
    return Budget(**({"namespace": "shop", "name": name, "selector": APP} | other))


def facts(*pods: Pod, **other: Any) -> DrainFacts:  # noqa: ANN401 - the model's fields
    """Of a cluster of two workers."""
    return DrainFacts(**({"observed_at": NOW, "nodes": (node("w1"), node("w2")), "pods": pods} | other))


def forecast(seen: DrainFacts, options: DrainOptions = OPTIONS) -> DrainForecast:
    """Of w1."""
    return forecast_drain("w1", seen, options)


def verdict(seen: DrainFacts, options: DrainOptions = OPTIONS) -> Verdict:
    """Of the first pod of w1."""
    return forecast(seen, options).verdicts[0]


AGO = NOW - timedelta(minutes=11)


@pytest.mark.parametrize(
    ("one", "options", "treatment", "reason"),
    [
        (pod(), OPTIONS, Treatment.EVICT, ""),
        (pod(stops_by=AGO), OPTIONS, Treatment.EVICT, "it is on its way out already"),
        (
            pod(stops_by=AGO),
            DrainOptions(skip_deleting_after=timedelta(minutes=10)),
            Treatment.LEAVE,
            "it should have stopped by 2026-11-24T11:49:00Z: not waited for",
        ),
        (pod(stops_by=AGO), DrainOptions(skip_deleting_after=timedelta(minutes=12)), Treatment.EVICT, "on its way out"),
        (pod(), DrainOptions(skip_deleting_after=timedelta(minutes=10)), Treatment.EVICT, ""),
        (pod(controller=DAEMONS), OPTIONS, Treatment.BLOCKED, "its DaemonSet agent is gone: nothing brings it back"),
        (pod(controller=DAEMONS), FORCE, Treatment.EVICT_FOR_GOOD, "its DaemonSet agent is gone"),
        (pod(controller=DAEMONS, stops_by=AGO), OPTIONS, Treatment.EVICT_FOR_GOOD, "its DaemonSet agent is gone"),
        (pod(controller=DAEMONS, phase="Failed"), OPTIONS, Treatment.EVICT, "it has finished"),
        (
            pod(controller=DAEMONS.model_copy(update={"api_version": "apps.kruise.io/v1"})),
            OPTIONS,
            Treatment.EVICT,
            "",
        ),
        (pod(mirror=True, controller=None), OPTIONS, Treatment.LEAVE, "a static pod of the kubelet"),
        (pod(empty_dirs=("a", "b")), OPTIONS, Treatment.BLOCKED, "the content of its emptyDir a, b would be lost"),
        (
            pod(empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True),
            Treatment.EVICT_FOR_GOOD,
            "the content of its emptyDir a is lost",
        ),
        (pod(empty_dirs=("a",), phase="Succeeded"), OPTIONS, Treatment.EVICT, "it has finished"),
        (pod(controller=None), OPTIONS, Treatment.BLOCKED, "no controller brings it back"),
        (pod(controller=None), FORCE, Treatment.EVICT_FOR_GOOD, "no controller brings it back"),
        (pod(controller=None, phase="Failed"), OPTIONS, Treatment.EVICT, "it has finished"),
        (
            pod(controller=None, empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True),
            Treatment.BLOCKED,
            "no controller brings it back",
        ),
        (
            pod(controller=None, empty_dirs=("a",)),
            DrainOptions(delete_emptydir_data=True, force=True),
            Treatment.EVICT_FOR_GOOD,
            "the content of its emptyDir a is lost; no controller brings it back",
        ),
    ],
)
def test_kubectls_filters(one: Pod, options: DrainOptions, treatment: Treatment, reason: str) -> None:
    """In its order: what is overdue, DaemonSets, the kubelet's, local data, no controller."""
    found = verdict(facts(one), options)
    assert found.treatment is treatment
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)
    assert bool(found.next_step) == (treatment is Treatment.BLOCKED)


def test_a_pod_of_a_daemon_set_stays() -> None:
    """Whatever else is true of it."""
    found = verdict(facts(pod(controller=DAEMONS, empty_dirs=("a",)), daemon_sets=("shop/agent",)))
    assert (found.treatment, found.reason) == (
        Treatment.LEAVE,
        "of the DaemonSet agent, which would bring it back at once",
    )


THREE = {"healthy": 3, "expected": 3}


@pytest.mark.parametrize(
    ("rule", "reason", "step"),
    [
        (
            {"max_unavailable": "0", "needed": 3, **THREE},
            "budget shop/web (maxUnavailable 0) needs 3 healthy pods, has 3 of 3, and allows 0 disruptions: never one",
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
            "budget shop/web (minAvailable 50%) cannot be counted: found no controllers for pod",
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
    told = "budget shop/web (minAvailable 1) needs 1 healthy pods, has 1 of 1, and allows 0 disruptions"
    assert found.waits == (f"{told}: web-1-a would wait for it",)


def test_two_budgets_are_one_too_many() -> None:
    """Also when both would allow it; not for a pod that the server asks no budget for."""
    budgets = (budget("a", allowed=1), budget("b", allowed=1))
    found = verdict(facts(pod(), budgets=budgets))
    assert found.reason == "2 budgets protect it (shop/a, shop/b): the API server evicts no pod with more than one"
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


def on(*names: str) -> tuple[NodeTerm, ...]:
    """These nodes only."""
    here = Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=names)
    return (NodeTerm(labels=(here,)),)


DB = pod("db-0", claims=("data", "unbound"))
TAINTED = node("w2", taints=("gpu=yes:NoSchedule",))


@pytest.mark.parametrize(
    ("one", "others", "reason"),
    [
        (pod(), (), "there is no other node"),
        (pod(), (node("w2", ready=False),), "no other node can take it: w2 is not Ready"),
        (pod(), (node("w2", cordoned=True), node("w3", ready=False)), "w2 is cordoned; w3 is not Ready"),
        (pod(node_labels={"disk": "fast"}), (node("w2"),), "w2 has not the labels that it wants"),
        (pod(node_terms=on("w1")), (node("w2"),), "w2 has not the labels that it wants"),
        (pod(), (TAINTED,), "w2 has the taint gpu=yes:NoSchedule"),
        (
            pod(tolerations=(Toleration(key="gpu", operator="Near", value="yes"),)),
            (TAINTED,),
            "w2 has the taint gpu=yes:NoSchedule (the operator Near of its tolerations is not known)",
        ),
        (DB, (node("w2"),), "its volume pv-db is on no other node"),
        (
            DB,
            (node("w2"), node("w3", cordoned=True)),
            "no other node can take it: w2 has not its volume; w3 is cordoned",
        ),
        (
            pod(),
            tuple(node(f"n{number}", cordoned=True) for number in range(7)),
            "n0 is cordoned; n1 is cordoned; n2 is cordoned; n3 is cordoned; n4 is cordoned; and 2 more",
        ),
    ],
)
def test_a_pod_that_could_run_nowhere_else(one: Pod, others: tuple[KubeNode, ...], reason: str) -> None:
    """Each node with what is in the way; an option allows it."""
    where = on("w1", "w3") if len(others) > 1 else on("w1")
    volumes = (Volume(name="pv-db", claim="shop/data", node_terms=where),)
    seen = facts(one, nodes=(node("w1"), *others), volumes=volumes)
    found = verdict(seen)
    assert found.treatment is Treatment.BLOCKED
    assert reason in found.reason
    assert "allow_pending" in found.next_step
    allowed = verdict(seen, DrainOptions(allow_pending=True))
    assert allowed.treatment is Treatment.EVICT_FOR_GOOD
    assert allowed.reason == f"{found.reason}: away until this node is back"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pod(), node("w2")),
        (pod(node_labels={"kubernetes.io/hostname": "w2"}, node_terms=on("w2", "w1")), node("w2")),
        (pod(tolerations=(Toleration(key="gpu", operator="Exists"),)), TAINTED),
        (DB, node("w2")),
        (pod(phase="Succeeded"), TAINTED),
        (pod(stops_by=AGO), TAINTED),
    ],
)
def test_a_pod_that_fits_elsewhere_or_needs_no_place(one: Pod, other: KubeNode) -> None:
    """The volume is on both."""
    seen = facts(one, nodes=(node("w1"), other), volumes=(Volume(name="pv", claim="shop/data", node_terms=None),))
    assert verdict(seen).treatment is Treatment.EVICT


def test_what_may_take_long_or_hurt() -> None:
    """Cautions, that forbid nothing."""
    held, like = (pod(name, finalizers=("a", "b")) for name in ("held", "like"))
    slow = pod("slow", grace_period=timedelta(hours=1), controller=None)
    assert forecast(facts(held, like)).cautions == ("shop/web-1-* stays until somebody removes its finalizers a, b",)
    told = "shop/slow may take 3600 s to stop, the limit of the drain is 900 s"
    assert forecast(facts(slow), FORCE).cautions == (told,)
    assert forecast(facts(slow), DrainOptions(force=True, grace_period=timedelta(seconds=5))).cautions == ()
    assert forecast(facts(slow.model_copy(update={"phase": "Failed"}))).cautions == ()
    lost = node("w1", ready=False, ready_message="kubelet is silent")
    (caution,) = forecast(facts(pod(), nodes=(lost, node("w2")))).cautions
    assert caution.startswith("w1 is not Ready: nobody there confirms that its pods have stopped")
    assert forecast(facts(nodes=(lost,))).cautions == ()
    assert forecast_drain("w9", facts(), OPTIONS).cautions == ("the API does not know this node",)


def test_what_an_approval_holds_for_of_what_is_lost() -> None:
    """Controllers, and pods that nothing makes again; a Job's pod is another one every minute."""
    disk = ("cache",)
    web, job = (
        pod("web-1", empty_dirs=disk),
        pod(
            "backup-28374920-x",
            empty_dirs=disk,
            controller=Controller(kind="Job", api_version="batch/v1", name="backup-28374920"),
        ),
    )
    bare, ends = pod("bare", controller=None), pod("ends", controller=None, stops_by=NOW)
    options = DrainOptions(force=True, delete_emptydir_data=True)
    lost = "the content of its emptyDir cache is lost"
    assert evicted_by([forecast(facts(web, job, bare, ends), options)]) == (
        "shop/bare for good (no controller brings it back)",
        f"{web.kin} for good ({lost})",
    )


def test_services_of_the_whole_cluster_that_stand_on_one_node() -> None:
    """Its DNS, and webhooks; not when another node has one too."""
    dns = pod("dns-a", namespace="kube-system", labels={"k8s-app": "kube-dns"})
    hook = Webhook(name="check", service="shop/hook", backends=("w1",))
    both = Webhook(name="both", service="shop/hook", backends=("w1", "w2"))
    assert forecast(facts(dns, webhooks=(hook, both))).cautions == (
        "all ready pods of the cluster's DNS are on w1: names fail for a moment",
        "webhook check: all ready pods of shop/hook are on w1: what it checks is refused for a moment",
    )
    other = dns.model_copy(update={"node": "w2", "uid": "b"})
    assert forecast(facts(dns, other)).cautions == ()
    sick = other.model_copy(update={"ready": False})
    assert len(forecast(facts(dns, sick)).cautions) == 1
    assert forecast(facts(webhooks=(hook,))).cautions == ()


PODS = st.builds(
    pod,
    name=st.sampled_from(["a", "b", "c", "d"]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    ready=st.booleans(),
    controller=st.sampled_from([None, REPLICAS, DAEMONS]),
    mirror=st.booleans(),
    empty_dirs=st.sampled_from([(), ("a",)]),
    stops_by=st.sampled_from([None, AGO]),
)
COUNTS = st.integers(min_value=0, max_value=4)
RULES = st.lists(
    st.builds(budget, healthy=COUNTS, needed=COUNTS, allowed=COUNTS, expected=COUNTS, is_counted=st.booleans()),
    max_size=2,
).map(tuple)


@given(st.lists(PODS, max_size=4, unique_by=lambda one: one.name), RULES, st.booleans(), st.booleans())
def test_what_holds_for_every_pod(pods: list[Pod], budgets: tuple[Budget, ...], daemons: bool, force: bool) -> None:  # noqa: FBT001 - hypothesis
    """One verdict for each; nothing goes that has two budgets, and nothing of the kubelet or of a DaemonSet that is there."""
    sets = ("shop/agent",) if daemons else ()
    seen = facts(*pods, budgets=budgets, daemon_sets=sets)
    found = forecast(seen, DrainOptions(force=force))
    assert [one.uid for one in found.verdicts] == [one.uid for one in pods]
    for one, told in zip(pods, found.verdicts, strict=True):
        goes = told.treatment in EVICTED
        assert goes == (told.pod in found.evicted)
        assert (told.treatment is Treatment.BLOCKED) == (told in found.blocked)
        if one.mirror:
            assert not goes
        if daemons and one.controller == DAEMONS and not one.is_finished:
            assert not goes
        if len(matching(one, budgets)) > 1 and one.phase in {"Running", "Unknown"} and one.stops_by is None:
            assert not goes
        if not force and one.controller is None and not one.is_finished and one.stops_by is None:
            assert not goes
