"""Models NetworkPolicies, the pods to which they apply, and what was found out about them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from tasks.core.models.base import Model
from tasks.nodes.models.pods import LabelSelector


class Direction(StrEnum):
    """Is the direction of a connection, seen from the pod that a policy selects."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Cover(StrEnum):
    """Is what the policies of a pod say about one direction."""

    OPEN = "open"
    """No policy selects the pod: everything is allowed."""
    ALLOW_ALL = "isolated, and everything is allowed"
    ISOLATED = "isolated"


class Peer(Model):
    """Is one entry of `from` or `to`: pods by their labels, or addresses. A selector that is None is not written."""

    namespaces: LabelSelector | None = None
    pods: LabelSelector | None = None
    cidr: str = ""
    without: tuple[str, ...] = Field(default=(), description="parts of the CIDR that do not belong to it")

    @property
    def words(self) -> str:
        """Returns the entry as people read it."""
        if self.cidr:
            return f"ipBlock {self.cidr}"
        chosen = [f"pods {words_of(self.pods)}"] if self.pods is not None else []
        chosen += [f"namespaces {words_of(self.namespaces)}"] if self.namespaces is not None else []
        return " in ".join(chosen)


class Port(Model):
    """Is one entry of `ports`. Without a number it is every port of the protocol."""

    protocol: str = "TCP"
    number: int | None = None
    last: int = Field(default=0, description="the last port of a range; 0 without a range")
    name: str = Field(default="", description="name of a port, which each destination pod resolves")


class Rule(Model):
    """Is what a policy allows: these peers on these ports. An empty list is everything."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[Port, ...] = ()


class Policy(Model):
    """Is a NetworkPolicy. A direction that is None is none of its policyTypes."""

    namespace: str
    name: str
    selector: LabelSelector = LabelSelector()
    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = None

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """Returns the rules of a direction; None if the policy does not isolate it."""
        return self.ingress if direction is Direction.INGRESS else self.egress


class NamedPort(NamedTuple):
    """Holds a port of a pod that has a name."""

    name: str
    protocol: str
    number: int


class Group(NamedTuple):
    """Holds what policies see of pods: pods of one group are alike for every selector."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    ports: tuple[NamedPort, ...] = ()


class Pod(NamedTuple):
    """Holds a pod that runs, and how a node finds its network. A pod in the network of its node is in no group."""

    name: str
    group: Group
    node: str = ""
    uid: str = ""
    addresses: tuple[str, ...] = ()
    is_sandboxed: bool = False
    """It has a RuntimeClass: its processes may not be in the network namespace that its node shows."""

    @property
    def label(self) -> str:
        """Returns `shop/web-1`."""
        return f"{self.group.namespace}/{self.name}"


class Networks(NamedTuple):
    """Holds all policies, pods and namespaces of a cluster."""

    policies: tuple[Policy, ...]
    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    """It maps each namespace to its labels."""
    others: tuple[str, ...] = ()
    """They are policies of other kinds, which are not evaluated."""


def words_of(selector: LabelSelector | None) -> str:
    """Returns a selector as people read it: `app=web,tier in (a,b)`; `(all)` if it is empty."""
    if selector is None:
        return "(none)"
    parts = [f"{name}={value}" for name, value in selector.labels.items()]
    parts += [f"{one.key} {one.operator} ({','.join(one.operands)})".replace(" ()", "") for one in selector.expressions]
    return ",".join(parts) or "(all)"


class Pair(NamedTuple):
    """Holds a connection that is tried. Without a source it comes from the target's own node, which policies never keep off."""

    source: Pod | None
    target: Pod
    port: int


class Seen(StrEnum):
    """Is what became of a connection."""

    OPEN = "open"
    DROPPED = "dropped"
    REFUSED = "refused"
    UNKNOWN = "not tried"


class Try(Model):
    """Is a connection that was tried."""

    source: str
    target: str
    port: int
    is_denied: bool = Field(default=False, description="a policy must deny it")
    seen: Seen
    said: str = Field(default="", description="words of the program that tried it")

    @property
    def is_closed(self) -> bool:
        """Checks whether it was tried, and did not open."""
        return self.seen in {Seen.DROPPED, Seen.REFUSED}

    @property
    def words(self) -> str:
        """Returns `shop/a to shop/b port 80: open`."""
        return f"{self.source} to {self.target} port {self.port}: {self.seen}"


class Verdict(StrEnum):
    """Is whether the network enforces NetworkPolicies."""

    ENFORCED = "enforced"
    NOT_ENFORCED = "not enforced"
    UNKNOWN = "not known"


class Enforcement(Model):
    """Is what connections between real pods show about the network."""

    verdict: Verdict = Verdict.UNKNOWN
    reason: str = Field(default="", description="why it is not known; empty if it is")
    tries: tuple[Try, ...] = ()

    @property
    def denied(self) -> tuple[Try, ...]:
        """Returns the connections that a policy must deny."""
        return tuple(one for one in self.tries if one.is_denied)

    @property
    def leaks(self) -> tuple[Try, ...]:
        """Returns the connections that a policy must deny and that were open."""
        return tuple(one for one in self.denied if one.seen is Seen.OPEN)


RUN, UNTIL = "kube-runbooks.io/run", "kube-runbooks.io/until"
"""These annotations say which run made the namespace of a canary, and how long that run can need it."""


class Canary(Model):
    """Is what two pods show that were made for it: they reach each other, then a policy denies it, then it is deleted."""

    enforcement: Enforcement = Enforcement()
    image: str = ""
    namespace: str = ""
    nodes: tuple[str, ...] = ()
    seconds: float = Field(default=0, description="how long it took after the policy until the connections were closed")
    removed: tuple[str, ...] = Field(default=(), description="namespaces of canaries that an interrupted run left")
    left: str = Field(default="", description="why its namespace is not gone; empty if it is")


class Leftover(NamedTuple):
    """Holds the namespace of a canary."""

    name: str
    uid: str
    until: str
    """It says how long its run can need it; empty if nobody wrote it."""
    run: str
    is_going: bool = False
    """The API is removing it already."""
