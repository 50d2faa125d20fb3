"""Which connections show whether a network enforces policies, and what they show."""

import pytest

from tasks.network_policy.models import Networks, Pair, Pod, Seen, Try, Verdict
from tasks.network_policy.policy.evaluate import Evaluator
from tasks.network_policy.policy.pairs import PAIRS, TARGETS, choose_pairs, choose_targets, judge_tries, must_deny
from tests.facts.networks import Object, app, networks, pod, policy

NODES = {"w1", "w2"}
WEB, FRIEND, NEAR = pod("web", ip="10.0.0.1"), pod("friend", ip="10.0.0.2"), pod("near", ip="10.0.0.3")
FAR = pod("far", ip="10.0.1.3", node="w2")
FRIENDS = policy("friends", app("web"), ingress=[{"from": [{"podSelector": app("friend")}], "ports": [{"port": 80}]}])


def told(*pods: Object, policies: tuple[Object, ...] = (FRIENDS,)) -> tuple[Networks, Evaluator]:
    """With an evaluator of it."""
    found = networks(policies, pods)
    return found, Evaluator(found)


def words(pairs: tuple[Pair, ...]) -> list[str]:
    """As `source target port`."""
    return [f"{one.source.name if one.source else '-'} {one.target.name} {one.port}" for one in pairs]


def targets(*pods: Object, policies: tuple[Object, ...] = (FRIENDS,)) -> list[str]:
    """Their names."""
    return [one.name for one in choose_targets(*told(*pods, policies=policies), NODES)]


def test_targets_are_isolated_pods_whose_network_a_node_shows() -> None:
    """One of each group; every other pod too if some pod may not go out."""
    assert targets(WEB, FRIEND, FAR) == ["web"]
    assert targets(FRIEND, FAR) == []
    assert targets(WEB, pod("web-2", labels={"app": "web"}, node="w2")) == ["web"]
    sandbox = pod("web", runtimeClassName="gvisor")
    for other in (pod("web", node="cp1"), sandbox, pod("web", ip=""), pod("web", phase="Pending")):
        assert targets(other) == []
    locked = policy("locked", app("near"), types=["Egress"])
    assert targets(NEAR, WEB, FAR, policies=(locked, FRIENDS)) == ["web", "near", "far"]
    many = [pod(f"p{index}", ip="10.0.0.9") for index in range(TARGETS + 5)]
    assert len(targets(*many, policies=(policy("all"),))) == TARGETS


def test_a_denied_source_is_on_the_same_node_and_on_another_and_others_must_be_open() -> None:
    """The node itself, and a pod that the policy lets in; of several ports the first one that somebody is kept off."""
    found, evaluator = told(WEB, FRIEND, NEAR, FAR)
    denied, open_ones = choose_pairs(found, evaluator, NODES, {"uid-web": [80, 90]})
    assert words(denied) == ["near web 80", "far web 80"]
    assert words(open_ones) == ["- web 80", "friend web 80"]
    denied, open_ones = choose_pairs(*told(WEB, FRIEND), NODES, {"uid-web": [80, 90]})
    assert (words(denied), words(open_ones)) == (["friend web 90"], ["- web 90"])
    assert choose_pairs(*told(WEB, policies=()), NODES, {"uid-web": [80]}) == ((), ())


def test_not_more_connections_are_tried_than_needed() -> None:
    """Of a big cluster."""
    pods = [pod(f"p{index}", ip=f"10.0.0.{index}", node=f"w{1 + index % 2}") for index in range(30)]
    listeners = {f"uid-p{index}": [80] for index in range(30)}
    denied, open_ones = choose_pairs(*told(*pods, policies=(policy("all"),)), NODES, listeners)
    assert (len(denied), len(open_ones)) == (PAIRS, PAIRS // 2)


def test_a_leak_counts_only_while_both_pods_exist_and_a_policy_denies_it() -> None:
    """It may be another pod by now."""
    found, evaluator = told(WEB, NEAR)
    web, near = found.pods
    assert must_deny(Pair(near, web, 80), found, evaluator)
    assert not must_deny(Pair(near, web, 80), *told(WEB, NEAR, policies=()))
    assert not must_deny(Pair(near, web, 80), *told(WEB))
    assert not must_deny(Pair(near, web, 80), *told(NEAR))
    assert not must_deny(Pair(None, web, 80), found, evaluator)


def tried(source: str, seen: Seen, target: str = "web") -> Try:
    """Denied, unless it is a friend."""
    return Try(source=source, target=target, port=80, is_denied=source != "friend", seen=seen)


OPEN, DROPPED, REFUSED, UNKNOWN = tried("friend", Seen.OPEN), Seen.DROPPED, Seen.REFUSED, Seen.UNKNOWN


@pytest.mark.parametrize(
    ("tries", "verdict"),
    [
        ([OPEN, tried("a", DROPPED)], Verdict.ENFORCED),
        ([OPEN, tried("a", REFUSED)], Verdict.ENFORCED),
        ([OPEN, tried("a", UNKNOWN)], Verdict.UNKNOWN),
        ([OPEN, tried("a", DROPPED), tried("b", Seen.OPEN)], Verdict.NOT_ENFORCED),
        ([tried("a", Seen.OPEN)], Verdict.NOT_ENFORCED),
        ([tried("friend", DROPPED), tried("a", DROPPED)], Verdict.UNKNOWN),
        ([OPEN, tried("a", DROPPED, target="db")], Verdict.UNKNOWN),
        ([OPEN], Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN),
    ],
)
def test_a_closed_connection_shows_something_only_beside_an_open_one(tries: list[Try], verdict: Verdict) -> None:
    """To the same listener."""
    found = judge_tries(tries)
    assert (found.verdict, bool(found.reason)) == (verdict, verdict is Verdict.UNKNOWN)
    assert [one.source for one in found.leaks] == [
        one.source for one in tries if one.is_denied and one.seen is Seen.OPEN
    ]


def test_a_leak_shows_nothing_if_policies_of_another_kind_may_allow_it() -> None:
    """A closed connection still does."""
    leaky = judge_tries([OPEN, tried("a", Seen.OPEN)], others=True)
    assert leaky.verdict is Verdict.UNKNOWN
    assert leaky.reason == "a denied connection was open, and policies of another kind may allow it"
    assert judge_tries([OPEN, tried("a", DROPPED)], others=True).verdict is Verdict.ENFORCED


def test_a_try_is_told_in_words() -> None:
    """As the evidence of a finding."""
    assert tried("shop/a", Seen.OPEN, "shop/b").words == "shop/a to shop/b port 80: open"
    assert isinstance(told(WEB)[0].pods[0], Pod)
