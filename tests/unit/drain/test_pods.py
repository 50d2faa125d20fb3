"""The pods of a node that is drained, from look to look."""

from datetime import timedelta

from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.pods import CAME_AGAIN, PodsOfNode, PodToGo
from tasks.nodes.models.pods import Toleration
from tests.facts.drain import AGO, DAEMONS, NOW, OPTIONS, facts, forecast, pod

LATER = NOW + timedelta(seconds=5)
EVERYTHING = (Toleration(operator="Exists"),)


def of_w1(*pods: object) -> PodsOfNode:
    """As a drain begins."""
    seen = facts(*pods, daemon_sets=("shop/agent",))  # type: ignore[arg-type]
    return PodsOfNode(seen.pods, forecast(seen), NOW)


def test_who_is_gone_and_who_is_on_its_way_out() -> None:
    """Each look takes from those that have to go; a pod of a DaemonSet was never among them."""
    agent = pod("agent", controller=DAEMONS)
    pods = of_w1(pod("a"), pod("b"), agent)
    assert [one.pod.name for one in pods.to_go] == ["a", "b"]
    assert pods.staying == [agent]
    held = pod("b", stops_by=AGO, finalizers=("x/hold",))
    pods.see([held, agent], OPTIONS, LATER)
    assert (pods.gone, pods.all_to_go) == (["shop/a"], 2)
    (told,) = (one.waiting for one in pods.to_go)
    assert told.why == "it has until 11:49:00 to stop, held by its finalizers x/hold"
    assert told.since == LATER


def test_who_is_not_waited_for_any_longer() -> None:
    """It stays with the reason, and its volumes with it."""
    pods = of_w1(pod("a"))
    overdue = pod("a", stops_by=AGO)
    pods.see([overdue], DrainOptions(skip_wait_for_delete_timeout=timedelta(minutes=10)), NOW)
    assert pods.to_go == ()
    assert [one.reason for one in pods.why_they_stay] == ["not waited for: it has until 11:49:00 to stop"]
    assert [one.name for one in pods.staying] == ["a"]


def test_who_came_since_the_first_look_is_decided_once() -> None:
    """To go like the others, or let be: what tolerates a cordon is told as staying."""
    pods = of_w1(pod("a"))
    late, again, agent = pod("late"), pod("again", tolerations=EVERYTHING), pod("agent", controller=DAEMONS)
    seen = [pod("a"), late, again, agent]
    assert list(pods.unknown_of(seen)) == [late, again, agent]
    pods.let_go(late, LATER)
    for one in (again, agent):
        (verdict,) = forecast(facts(one, daemon_sets=("shop/agent",))).verdicts
        pods.let_be(one, verdict)
    assert list(pods.unknown_of(seen)) == []
    assert [one.why for one in pods.to_go] == ["it is to be evicted", "it came just before the cordon"]
    assert [(one.pod, one.treatment, one.reason) for one in pods.why_they_stay] == [
        ("shop/again", Treatment.LEAVE, CAME_AGAIN)
    ]
    assert [one.name for one in pods.asked] == ["a", "late"]


def test_a_pod_waits_since_its_reason_is_another_one() -> None:
    """A budget whose figures change is the same reason."""
    one = PodToGo(pod("a"), "it is to be evicted", NOW)
    one.waits("429", LATER)
    one.waits("429", LATER + timedelta(seconds=1))
    assert one.since == LATER
    one.waits("0 of 1", LATER + timedelta(seconds=2), by_budget=True)
    one.waits("1 of 1", LATER + timedelta(seconds=3), by_budget=True)
    assert (one.why, one.since) == ("1 of 1", LATER + timedelta(seconds=2))
