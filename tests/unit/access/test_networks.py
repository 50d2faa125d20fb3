"""Findings about NetworkPolicies: grouped by namespace, and the network itself."""

from datetime import UTC, datetime

from tasks.access.models.audit import Severity
from tasks.access.policy.networks import FLAWS, find_leaks, find_leftovers, find_networks, not_evaluated
from tasks.network_policy.models import Canary, Enforcement, Leftover, Networks, Seen, Try, Verdict
from tests.facts.networks import app, networks, pod, policy

PODS = [pod(f"p{index}", ip=f"10.0.0.{index}") for index in range(9)]


def test_a_namespace_has_one_finding_however_many_pods_it_has() -> None:
    """With the number of each direction, and a few names; the cluster's own namespaces have none."""
    told = networks([policy("a", app("p0", "p1"))], [*PODS, pod("dns", namespace="kube-system")])
    (found,) = find_networks(told)
    assert (found.id, found.severity, found.subject) == ("network-open:shop", Severity.LOW, "shop")
    assert found.problem == "no policy selects its pods: of 9, 7 for ingress and 9 for egress"
    assert found.evidence == "ingress: p2, p3, p4 and 4 more; egress: p0, p1, p2 and 6 more"


def test_a_namespace_without_a_default_is_a_finding_of_its_own() -> None:
    """Only for directions in which all pods that exist are selected."""
    (each,) = find_networks(networks([policy("a", app("p0"), types=["Ingress", "Egress"])], PODS[:1]))
    assert each.id == "network-no-default:shop"
    assert each.problem == "no policy denies ingress and egress by default: a new pod with other labels is open"
    assert list(find_networks(networks([policy("a", types=["Ingress", "Egress"])], PODS[:1]))) == []
    found = find_networks(networks([policy("a", app("p0"))], PODS[:1]))
    assert [one.id for one in found] == ["network-open:shop", "network-no-default:shop"]


def test_policies_that_cannot_be_meant_so_are_grouped_by_namespace() -> None:
    """Each of them once."""
    peers = [{"podSelector": app("x")}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]
    wrong, port = (
        {"to": peers, "ports": [{"port": 443}]},
        {"to": [{"podSelector": app("p1")}], "ports": [{"port": "nobody"}]},
    )
    policies = [
        policy("all", types=["Ingress"]),
        policy("a", types=["Ingress", "Egress"], egress=[wrong, wrong, port]),
        policy("b", app("y")),
        policy("c", app("z")),
        policy("d", app("z"), namespace="kube-system"),
    ]
    found = {one.check: one for one in find_networks(networks(policies, PODS[:2]))}
    assert {one.id for one in found.values()} == {f"network-{one}:shop" for one in FLAWS}
    assert found["network-selects-nothing"].evidence == "b (app=y), c (app=z)"
    assert found["network-label-nobody"].evidence == "a: egress to pods app=x"
    assert found["network-no-dns"].evidence == "a"


def tried(seen: Seen, source: str = "shop/a") -> Try:
    """A denied connection."""
    return Try(source=source, target="shop/web", port=80, is_denied=True, seen=seen)


def test_a_network_that_ignores_policies_is_a_finding_of_severity_high() -> None:
    """With the connections that show it."""
    leaky = Enforcement(verdict=Verdict.NOT_ENFORCED, tries=(tried(Seen.OPEN), tried(Seen.DROPPED, "shop/b")))
    (found,) = find_leaks(leaky)
    assert (found.id, found.severity) == ("network-not-enforced", Severity.HIGH)
    assert found.problem.endswith("1 of 2 such connections that the audit tried")
    assert found.evidence == "shop/a to shop/web port 80: open"
    assert list(find_leaks(Enforcement(verdict=Verdict.ENFORCED, tries=(tried(Seen.DROPPED),)))) == []


def test_what_was_not_evaluated_is_told_with_its_reason() -> None:
    """Without a policy there is nothing to enforce."""
    some, unknown = networks([policy("a")], PODS), Enforcement(reason="the profile has no ssh")
    assert not_evaluated(networks([], PODS), unknown) == ()
    assert not_evaluated(some, Enforcement(verdict=Verdict.ENFORCED)) == ()
    assert not_evaluated(some, unknown) == ("whether the network enforces NetworkPolicies: the profile has no ssh",)
    others = Networks((), (), {}, ("2 adminnetworkpolicies.policy.networking.k8s.io objects",))
    assert not_evaluated(others, unknown) == (
        "2 adminnetworkpolicies.policy.networking.k8s.io objects: the audit evaluates NetworkPolicies alone",
    )


def test_what_a_canary_shows_counts_beside_what_the_pods_show() -> None:
    """Its leak is the same finding, with both connections. If only one of both is known, nothing is left out."""
    fine = Enforcement(verdict=Verdict.ENFORCED, tries=(tried(Seen.DROPPED),))
    leaky = Enforcement(verdict=Verdict.NOT_ENFORCED, tries=(tried(Seen.OPEN, "canary/one"),))
    (found,) = find_leaks(fine, Canary(enforcement=leaky))
    assert "1 of 2 such connections" in found.problem
    assert found.evidence == "canary/one to shop/web port 80: open"
    assert list(find_leaks(fine, Canary(enforcement=fine))) == []
    told, unknown = networks([policy("a")], PODS[:1]), Enforcement(reason="none listens")
    assert not_evaluated(told, unknown, Canary(enforcement=fine)) == ()
    assert not_evaluated(told, unknown, Canary(enforcement=Enforcement(reason="no node"), left="c: it exists")) == (
        "whether the network enforces NetworkPolicies: none listens",
        "canary of NetworkPolicies: no node",
        "canary of NetworkPolicies: its namespace is not gone: c: it exists",
    )


def test_a_namespace_that_a_killed_run_left_is_a_finding_when_no_run_can_need_it() -> None:
    """With the command that removes it; one that is being removed is none."""
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    old, new, going, bare = (
        Leftover("old", "u1", "2026-12-01T11:59:59Z", "r1"),
        Leftover("new", "u2", "2026-12-01T12:00:00Z", "r2"),
        Leftover("going", "u3", "2026-12-01T11:00:00Z", "r3", is_going=True),
        Leftover("bare", "u4", "", ""),
    )
    first, second = find_leftovers([old, new, going, bare], now)
    assert (first.id, first.severity) == ("canary-left:old", Severity.LOW)
    assert first.evidence == "run r1, which could need it until 2026-12-01T11:59:59Z"
    assert first.fix.startswith("`kubectl delete namespace old`")
    assert second.evidence == "run not known, which could need it until no time that is known"
