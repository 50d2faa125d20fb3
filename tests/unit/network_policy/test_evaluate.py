"""What NetworkPolicies allow: a table of cases, and a slow second reading of the API's text for cases that nobody chose."""

import pytest

from tasks.core.errors import NotYet
from tasks.network_policy.models import Cover, Direction, Peer, Port
from tasks.network_policy.policy.evaluate import Evaluator
from tasks.network_policy.probes.policies import parse_policy
from tests.facts.network_corpus import Corpus, slowly
from tests.facts.networks import Object, app, networks, pod, policy, port

WEB = pod("web", ip="10.0.0.1", ports=[port("http", 8080), port("metrics", 9090), port("dns", 53, "UDP")])
DB = pod("db", ip="10.0.0.2")
TOOL = pod("tool", namespace="ops", ip="10.0.1.1")
PODS = [WEB, DB, TOOL]

OWN = {"podSelector": app("db")}
TEAM_B = {"namespaceSelector": {"matchLabels": {"team": "b"}}}
BOTH = {**TEAM_B, "podSelector": app("db")}

Case = tuple[str, list[Object], str]
"""A name, policies, and which of `db`, `tool` reach web on 8080: as words."""

CASES: list[Case] = [
    ("without a policy everything is open", [], "db tool"),
    ("without rules nothing is allowed", [policy("p")], ""),
    ("null rules are no rules", [policy("p", ingress=None)], ""),
    ("an empty rule allows everything", [policy("p", ingress=[{}])], "db tool"),
    ("an empty list of peers is all of them", [policy("p", ingress=[{"from": []}])], "db tool"),
    ("another pod is selected", [policy("p", app("db"))], "db tool"),
    ("a pod is selected by an expression", [policy("p", app("web", "x"))], ""),
    (
        "a policy of another namespace selects nothing here",
        [policy("p", namespace="ops", types=["Ingress"])],
        "db tool",
    ),
    ("a podSelector alone is of its own namespace", [policy("p", ingress=[{"from": [{"podSelector": {}}]}])], "db"),
    ("a podSelector chooses by labels", [policy("p", ingress=[{"from": [OWN]}])], "db"),
    ("a namespaceSelector alone is each pod there", [policy("p", ingress=[{"from": [TEAM_B]}])], "tool"),
    ("an empty namespaceSelector is all", [policy("p", ingress=[{"from": [{"namespaceSelector": {}}]}])], "db tool"),
    ("both selectors of one peer must hold", [policy("p", ingress=[{"from": [BOTH]}])], ""),
    ("one of two peers is enough", [policy("p", ingress=[{"from": [TEAM_B, OWN]}])], "db tool"),
    ("a peer of nothing chooses nothing", [policy("p", ingress=[{"from": [{}]}])], ""),
    ("rules add up", [policy("p", ingress=[{"from": [OWN]}, {"from": [TEAM_B]}])], "db tool"),
    ("policies add up", [policy("p"), policy("q", ingress=[{"from": [OWN]}])], "db"),
    ("a port by its number", [policy("p", ingress=[{"ports": [{"port": 8080}]}])], "db tool"),
    ("another port", [policy("p", ingress=[{"ports": [{"port": 80}]}])], ""),
    ("another protocol", [policy("p", ingress=[{"ports": [{"port": 8080, "protocol": "UDP"}]}])], ""),
    ("every port of a protocol", [policy("p", ingress=[{"ports": [{"protocol": "TCP"}]}])], "db tool"),
    ("the end of a range", [policy("p", ingress=[{"ports": [{"port": 8000, "endPort": 8080}]}])], "db tool"),
    ("after a range", [policy("p", ingress=[{"ports": [{"port": 8000, "endPort": 8079}]}])], ""),
    ("a port by its name", [policy("p", ingress=[{"ports": [{"port": "http"}]}])], "db tool"),
    ("a name of another port", [policy("p", ingress=[{"ports": [{"port": "metrics"}]}])], ""),
    ("a name of another protocol", [policy("p", ingress=[{"ports": [{"port": "http", "protocol": "UDP"}]}])], ""),
    ("peer and port must hold", [policy("p", ingress=[{"from": [OWN], "ports": [{"port": 80}]}])], ""),
    ("a block", [policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}])], "db"),
    (
        "a block without a part",
        [policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}}]}])],
        "db",
    ),
    ("a block of IPv6", [policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}])], ""),
    ("a policy of egress alone does not isolate ingress", [policy("p", app("web"), types=["Egress"])], "db tool"),
    ("an egress section without types isolates both", [policy("p", app("db"), egress=[{"to": [OWN]}])], "tool"),
    (
        "egress that allows the target",
        [policy("p", app("db"), types=["Egress"], egress=[{"to": [{"podSelector": app("web")}]}])],
        "db tool",
    ),
    (
        "a name of a port of the target",
        [policy("p", app("db"), types=["Egress"], egress=[{"ports": [{"port": "http"}]}])],
        "db tool",
    ),
    (
        "a name of a port of the source",
        [policy("p", app("db"), types=["Egress"], egress=[{"ports": [{"port": "x"}]}])],
        "tool",
    ),
    (
        "egress of the source and ingress of the target must allow it",
        [policy("p", app("db"), types=["Egress"], egress=[{}]), policy("q", app("web"))],
        "",
    ),
    (
        "an expression that a missing label meets",
        [
            policy(
                "p",
                ingress=[
                    {
                        "from": [
                            {"podSelector": {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["1"]}]}}
                        ]
                    }
                ],
            )
        ],
        "db",
    ),
    (
        "a label that must be there",
        [
            policy(
                "p",
                ingress=[
                    {"from": [{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}]}
                ],
            )
        ],
        "db tool",
    ),
]


@pytest.mark.parametrize(("policies", "reach"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_who_reaches_a_pod(policies: list[Object], reach: str) -> None:
    """By the evaluator, and by the slow reading."""
    told = networks(policies, PODS)
    web, *others = told.pods
    evaluator = Evaluator(told)
    assert " ".join(one.name for one in others if evaluator.allowed(one, web, 8080)) == reach
    slow = [one["metadata"]["name"] for one in (DB, TOOL) if slowly(policies, one, WEB, 8080, "TCP")]
    assert " ".join(slow) == reach


@pytest.mark.parametrize(
    ("policies", "cover"),
    [
        ([], (Cover.OPEN, Cover.OPEN)),
        ([policy("p")], (Cover.ISOLATED, Cover.OPEN)),
        ([policy("p", types=["Egress"])], (Cover.OPEN, Cover.ISOLATED)),
        ([policy("p", types=["Ingress", "Egress"], ingress=[{}])], (Cover.ALLOW_ALL, Cover.ISOLATED)),
        ([policy("p"), policy("q", ingress=[{}])], (Cover.ALLOW_ALL, Cover.OPEN)),
        (
            [policy("p", ingress=[{"ports": [{"port": 1}]}, {"from": [{"podSelector": {}}]}])],
            (Cover.ISOLATED, Cover.OPEN),
        ),
        ([policy("p", app("db"))], (Cover.OPEN, Cover.OPEN)),
    ],
)
def test_what_policies_say_about_a_direction(policies: list[Object], cover: tuple[Cover, Cover]) -> None:
    """For the pod web."""
    told = networks(policies, PODS)
    evaluator = Evaluator(told)
    assert tuple(evaluator.cover(told.pods[0].group, way) for way in Direction) == cover


def test_a_policy_is_parsed_as_the_api_reads_it() -> None:
    """Blocks with zeros in front are decimal; what is no block is an error with its policy."""
    block = {"ipBlock": {"cidr": "010.1.0.0/16", "except": ["10.1.2.0/024"]}}
    told = parse_policy(policy("p", ingress=[{"from": [block], "ports": [{"port": 5, "endPort": 9}]}]))
    assert told.ingress is not None
    (rule,) = told.ingress
    assert rule.peers == (Peer(cidr="10.1.0.0/16", without=("10.1.2.0/24",)),)
    assert rule.ports == (Port(number=5, last=9),)
    with pytest.raises(NotYet, match="NetworkPolicy shop/p has an ipBlock that is none: 10.x.0.0/8"):
        parse_policy(policy("p", ingress=[{"from": [{"ipBlock": {"cidr": "10.x.0.0/8"}}]}]))


def test_a_pod_that_has_ended_or_is_in_the_network_of_its_node_is_none() -> None:
    """A pod that starts or goes away is one, and no connection is tried with it."""
    gone = pod("gone")
    gone["metadata"]["deletionTimestamp"] = "2026-12-01T12:00:00Z"
    sidecar = {"name": "s", "restartPolicy": "Always", "ports": [port("proxy", 15001)]}
    waits = pod("waits", phase="Pending", ip="", initContainers=[sidecar, {"name": "i", "ports": [port("no", 1)]}])
    odd = pod("odd", runtimeClassName="kata")
    told = networks([], [pod("done", phase="Succeeded"), pod("host", hostNetwork=True), gone, waits, odd, WEB])
    assert [(one.label, one.node, one.is_sandboxed) for one in told.pods] == [
        ("shop/gone", "", False),
        ("shop/waits", "", False),
        ("shop/odd", "w1", True),
        ("shop/web", "w1", False),
    ]
    assert [one.name for one in told.pods[1].group.ports] == ["proxy"]


Answers = dict[tuple[str, str, int, str], bool]


def answers(policies: list[Object], pods: list[Object]) -> Answers:
    """Of the evaluator, about all pairs."""
    told = networks(policies, pods)
    evaluator = Evaluator(told)
    return {
        (one.name, other.name, number, protocol): evaluator.allowed(one, other, number, protocol)
        for one in told.pods
        for other in told.pods
        for number, protocol in ((80, "TCP"), (8080, "TCP"), (53, "UDP"))
    }


@pytest.mark.parametrize("seed", range(60))
def test_answers_for_random_policies_are_those_of_the_slow_reading(seed: int) -> None:
    """No difference at all; and both answers occur."""
    corpus = Corpus(seed)
    pods, policies = corpus.pods(), [corpus.policy(f"p{index}") for index in range(4)]
    by_name = {one["metadata"]["name"]: one for one in pods}
    told = answers(policies, pods)
    assert told == {key: slowly(policies, by_name[key[0]], by_name[key[1]], *key[2:]) for key in told}


@pytest.mark.parametrize("seed", range(20))
def test_policies_are_additive(seed: int) -> None:
    """Of isolated pods another policy allows more, never less; one that selects nothing and the order change nothing."""
    corpus = Corpus(1000 + seed)
    pods, first = (
        corpus.pods(),
        [policy(f"deny-{name}", namespace=name, types=["Ingress", "Egress"]) for name in ("shop", "ops")],
    )
    more = [*first, *(corpus.policy(f"p{index}") for index in range(3))]
    before, after = answers(more, pods), answers([*more, corpus.policy("q")], pods)
    assert all(after[key] for key, is_allowed in before.items() if is_allowed)
    assert not any(answers(first, pods).values())
    nobody = policy("n", {"matchLabels": {"app": "nobody"}}, types=["Ingress", "Egress"])
    assert answers([nobody, *reversed(more)], pods) == before
