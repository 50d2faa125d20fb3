"""What policies leave open, and what in them cannot be meant so."""

import pytest

from tasks.network_policy.models import Direction
from tasks.network_policy.policy.evaluate import Evaluator
from tasks.network_policy.policy.gaps import Coverage, Flaw, coverage_of, find_flaws
from tests.facts.networks import Object, app, networks, pod, policy, port

WEB = pod("web", ip="10.0.0.1", ports=[port("http", 8080)])
DB = pod("db", ip="10.0.0.2")
DNS = pod("dns", namespace="kube-system", labels={"k8s-app": "kube-dns"}, ip="10.0.1.9", ports=[port("dns", 53, "UDP")])

IN, OUT = Direction.INGRESS, Direction.EGRESS

TO_DB = {"to": [{"podSelector": app("db")}]}
UDP_53 = {"port": 53, "protocol": "UDP"}
TO_DNS = {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}], "ports": [UDP_53]}


def covers(*policies: Object) -> Coverage:
    """Of the namespace shop."""
    told = networks(policies, [WEB, DB])
    (found,) = coverage_of(told, Evaluator(told))
    return found


def flaws(*policies: Object, pods: tuple[Object, ...] = (WEB, DB, DNS)) -> list[Flaw]:
    """Of all namespaces."""
    told = networks(policies, pods)
    return list(find_flaws(told, Evaluator(told)))


def test_each_direction_has_the_pods_that_no_policy_selects() -> None:
    """And whether a new pod would be one of them."""
    both = ("db", "web")
    assert covers() == Coverage("shop", 2, ((IN, both), (OUT, both)), (IN, OUT))
    assert covers(policy("p", app("web"))) == Coverage("shop", 2, ((IN, ("db",)), (OUT, both)), (IN, OUT))
    assert covers(policy("p")) == Coverage("shop", 2, ((OUT, both),), (OUT,))
    assert covers(policy("p", types=["Ingress", "Egress"])) == Coverage("shop", 2, (), ())
    assert covers(policy("p", ingress=[{}])).without_default == (IN, OUT)
    each = [policy("p", app("web", "db"), types=["Ingress", "Egress"]), policy("q", namespace="ops")]
    assert covers(*each) == Coverage("shop", 2, (), (IN, OUT))


def test_a_policy_without_pods_and_a_peer_that_is_nobody_are_flaws() -> None:
    """By the pods and namespaces that exist now."""
    expression = {
        "matchExpressions": [
            {"key": "tier", "operator": "Exists"},
            {"key": "a", "operator": "In", "values": ["1", "2"]},
        ]
    }
    spaces = {"namespaceSelector": {"matchLabels": {"team": "z"}}, "podSelector": {}}
    peers = [{"podSelector": app("nobody")}, spaces, {"podSelector": app("db")}, {"podSelector": app("nobody")}]
    found = flaws(policy("old", expression), policy("p", app("web"), ingress=[{"from": peers}]))
    assert found == [
        Flaw("selects-nothing", "shop", "old (tier Exists,a In (1,2))"),
        Flaw("label-nobody", "shop", "p: ingress from pods app=nobody"),
        Flaw("label-nobody", "shop", "p: ingress from pods (all) in namespaces team=z"),
        Flaw("label-nobody", "shop", "p: ingress from pods app=nobody"),
    ]
    assert flaws(policy("p", app("web"), ingress=[{"from": [{}]}]))[0].words == "p: ingress from "


def test_a_named_port_that_no_destination_has_is_a_flaw() -> None:
    """For ingress the policy's own pods are the destination, for egress its peers."""
    named = [{"port": "http"}]
    to_web = [{"podSelector": app("web")}]
    good = [
        policy("p", app("web"), ingress=[{"ports": named}]),
        policy("q", app("db"), types=["Egress"], egress=[{"to": to_web, "ports": named}, {"ports": named}, TO_DNS]),
    ]
    assert flaws(*good) == []
    bad = [
        policy("p", app("db"), ingress=[{"ports": named}]),
        policy("q", app("web"), types=["Egress"], egress=[TO_DB | {"ports": named}, TO_DNS]),
        policy("r", app("web"), ingress=[{"ports": [{"port": "http", "protocol": "UDP"}]}]),
    ]
    without_destination = policy("s", app("x"), ingress=[{"ports": named}])
    assert [one.check for one in flaws(without_destination)] == ["selects-nothing"]
    assert [one.words for one in flaws(*bad)] == [
        "p: ingress port http/TCP",
        "q: egress port http/TCP",
        "r: ingress port http/UDP",
    ]


@pytest.mark.parametrize(
    ("block", "count"),
    [
        ({"cidr": "10.0.0.0/16"}, 3),
        ({"cidr": "0.0.0.0/0"}, 3),
        ({"cidr": "10.0.0.0/16", "except": ["10.0.0.0/24"]}, 1),
        ({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}, 0),
        ({"cidr": "192.168.0.0/16"}, 0),
        ({"cidr": "10.0.0.2/32"}, 1),
        ({"cidr": "::/0"}, 0),
    ],
)
def test_a_block_with_addresses_of_pods_is_a_flaw(block: Object, count: int) -> None:
    """Unless they are left out."""
    found = flaws(policy("p", app("web"), ingress=[{"from": [{"ipBlock": block}]}]))
    words = f"p: ingress from ipBlock {block['cidr']} has {count} addresses of pods now"
    assert [one.words for one in found] == ([words] if count else [])


@pytest.mark.parametrize(
    ("rules", "forgets"),
    [
        ([TO_DB], True),
        ([TO_DB, TO_DNS], False),
        ([], False),
        ([{}], False),
        ([{"ports": [{"port": 443}]}], True),
        ([{"ports": [{"port": 53}]}], True),
        ([{"ports": [UDP_53]}], False),
        ([{"ports": [{"port": "dns", "protocol": "UDP"}]}], False),
        ([{"to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}], "ports": [UDP_53]}], False),
        ([TO_DB | {"ports": [UDP_53]}], True),
    ],
)
def test_egress_without_dns_is_a_flaw(rules: list[Object], forgets: bool) -> None:  # noqa: FBT001 - a column
    """If the pods may go anywhere at all. An address may be a resolver."""
    found = flaws(policy("p", app("web"), types=["Egress"], egress=rules))
    assert [one for one in found if one.check == "no-dns"] == ([Flaw("no-dns", "shop", "p")] if forgets else [])


def test_without_known_pods_of_dns_a_peer_may_be_one() -> None:
    """Nobody knows better."""
    egress = [{"to": [{"podSelector": app("db")}], "ports": [UDP_53]}]
    assert flaws(policy("p", app("web"), types=["Egress"], egress=egress), pods=(WEB, DB)) == []
