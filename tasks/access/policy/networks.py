"""Finds pods that no NetworkPolicy protects, policies that cannot be meant so, and a network that ignores them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from tasks.access.models.audit import Finding, Severity
from tasks.core.models.findings import listed
from tasks.core.words import counted
from tasks.network_policy.models import Canary, Enforcement, Leftover, Networks, Verdict
from tasks.network_policy.policy.evaluate import Evaluator
from tasks.network_policy.policy.gaps import Coverage, Flaw, coverage_of, find_flaws
from tasks.pod_security.policy.workloads import SYSTEM

SHOWN = 3
"""Limits how many pods, policies or connections a finding names."""

DEFAULT = (
    "add a NetworkPolicy with podSelector: {} and policyTypes: [Ingress, Egress], after others allow what its pods need"
)


class Kind(NamedTuple):
    """Holds what a flaw means."""

    problem: str
    fix: str


FLAWS: Mapping[str, Kind] = {
    "selects-nothing": Kind("policies select no pod", "correct their podSelector, or delete them"),
    "label-nobody": Kind("policies allow peers that no pod is", "correct their selectors, or remove these peers"),
    "port-nobody": Kind(
        "policies allow ports by a name that no pod has", "name the port in its containers, or write its number"
    ),
    "pod-addresses": Kind(
        "blocks of addresses contain pods: whether a block counts for pods depends on the network",
        "choose pods by podSelector, and leave their addresses out of the block by except",
    ),
    "no-dns": Kind(
        "pods may connect to others, and not to DNS: they find no name",
        "allow port 53 by UDP and TCP to the pods of kube-dns in kube-system",
    ),
}


def find_networks(networks: Networks) -> Iterator[Finding]:
    """Yields findings about each namespace that is not the cluster's own: what is open, and what is wrong with its policies."""
    evaluator = Evaluator(networks)
    for one in coverage_of(networks, evaluator):
        if one.namespace not in SYSTEM:
            yield from _coverage(one)
    grouped: dict[tuple[str, str], list[Flaw]] = {}
    for flaw in find_flaws(networks, evaluator):
        if flaw.namespace not in SYSTEM:
            grouped.setdefault((flaw.check, flaw.namespace), []).append(flaw)
    for (check, namespace), flaws in grouped.items():
        told = FLAWS[check]
        words = list(dict.fromkeys(one.words for one in flaws))
        yield _finding(f"network-{check}", namespace, told.problem, listed(words, SHOWN), told.fix)


def find_leaks(enforcement: Enforcement, canary: Canary | None = None) -> Iterator[Finding]:
    """Yields a finding if a connection was open that a policy must deny: between real pods, or between those of the canary."""
    found = [enforcement, *([canary.enforcement] if canary else [])]
    if Verdict.NOT_ENFORCED in {one.verdict for one in found}:
        leaks = [each for one in found for each in one.leaks]
        denied = [each for one in found for each in one.denied]
        yield Finding(
            id="network-not-enforced",
            check="network-not-enforced",
            severity=Severity.HIGH,
            subject="network",
            problem="the network lets through what NetworkPolicies deny: "
            f"{len(leaks)} of {counted(len(denied), 'such connection')} that the audit tried",
            evidence=listed([one.words for one in leaks], SHOWN),
            fix="install a network plugin or an agent that enforces NetworkPolicies, on each node",
        )


def find_leftovers(leftovers: Iterable[Leftover], now: datetime) -> Iterator[Finding]:
    """Yields a finding for each namespace of a canary whose run cannot need it any more."""
    for one in leftovers:
        if not one.is_going and one.until < f"{now:%Y-%m-%dT%H:%M:%SZ}":
            yield Finding(
                id=f"canary-left:{one.name}",
                check="canary-left",
                severity=Severity.LOW,
                subject=one.name,
                problem="an audit that was interrupted left the namespace of its canary",
                evidence=f"run {one.run or 'not known'}, which could need it until {one.until or 'no time that is known'}",
                fix=f"`kubectl delete namespace {one.name}`, or run the audit with --canary, which removes it",
            )


def not_evaluated(networks: Networks, enforcement: Enforcement, canary: Canary | None = None) -> tuple[str, ...]:
    """Returns what decides about connections, and was not evaluated."""
    others = [f"{listed(networks.others)}: the audit evaluates NetworkPolicies alone"] if networks.others else []
    tried = canary.enforcement if canary else Enforcement()
    is_open = bool(networks.policies) and enforcement.verdict is Verdict.UNKNOWN and tried.verdict is Verdict.UNKNOWN
    others += [f"whether the network enforces NetworkPolicies: {enforcement.reason}"] if is_open else []
    if canary and tried.verdict is Verdict.UNKNOWN:
        others.append(f"canary of NetworkPolicies: {tried.reason}")
    if canary and canary.left:
        others.append(f"canary of NetworkPolicies: its namespace is not gone: {canary.left}")
    return tuple(others)


def _coverage(one: Coverage) -> Iterator[Finding]:
    if one.open:
        told = " and ".join(f"{len(names)} for {way}" for way, names in one.open)
        yield _finding(
            "network-open",
            one.namespace,
            f"no policy selects its pods: of {one.pods}, {told}",
            "; ".join(f"{way}: {listed(list(names), SHOWN)}" for way, names in one.open),
            DEFAULT,
        )
    rest = [way for way in one.without_default if way not in dict(one.open)]
    if rest:
        yield _finding(
            "network-no-default",
            one.namespace,
            f"no policy denies {' and '.join(rest)} by default: a new pod with other labels is open",
            f"its {counted(one.pods, 'pod')} have policies of their own",
            DEFAULT,
        )


def _finding(check: str, namespace: str, problem: str, evidence: str, fix: str) -> Finding:
    return Finding(
        id=f"{check}:{namespace}",
        check=check,
        severity=Severity.LOW,
        subject=namespace,
        problem=problem,
        evidence=evidence,
        fix=fix,
    )
