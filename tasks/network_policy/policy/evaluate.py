"""Evaluates NetworkPolicies as networking.k8s.io/v1 defines them: what isolates a pod, and what is allowed then.

Policies see groups of pods with the same labels and named ports, so a cluster costs as much as it has groups. What the
API leaves to the network is not decided here: pods in the network of their node, ICMP, and addresses behind NAT.
"""

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from tasks.network_policy.models import Cover, Direction, Group, Networks, Peer, Pod, Policy, Port, Rule
from tasks.nodes.policy.selectors import selects


class Connection(NamedTuple):
    """Holds what a rule is asked about: the other end, and the port at the destination."""

    other: Pod
    destination: Group
    port: int
    protocol: str = "TCP"


class Evaluator:
    """Answers questions about the policies of a cluster."""

    def __init__(self, networks: Networks) -> None:
        """Sorts the policies by namespace."""
        self._namespaces = networks.namespaces
        self._policies: dict[str, list[Policy]] = {}
        for one in networks.policies:
            self._policies.setdefault(one.namespace, []).append(one)
        self._selecting: dict[Group, tuple[Policy, ...]] = {}

    def selecting(self, group: Group) -> tuple[Policy, ...]:
        """Returns the policies that select the pods of a group. They are all in its namespace."""
        if group not in self._selecting:
            labels = dict(group.labels)
            own = self._policies.get(group.namespace, ())
            self._selecting[group] = tuple(one for one in own if selects(one.selector, labels))
        return self._selecting[group]

    def rules(self, group: Group, direction: Direction) -> tuple[Rule, ...] | None:
        """Returns everything that is allowed in a direction; None if no policy isolates it."""
        found = [told for one in self.selecting(group) if (told := one.rules(direction)) is not None]
        return tuple(rule for rules in found for rule in rules) if found else None

    def cover(self, group: Group, direction: Direction) -> Cover:
        """Returns what the policies say about all connections of a direction."""
        rules = self.rules(group, direction)
        if rules is None:
            return Cover.OPEN
        return Cover.ALLOW_ALL if any(not (one.peers or one.ports) for one in rules) else Cover.ISOLATED

    def allowed(self, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
        """Checks whether a pod may connect to a port of another: the egress of the one and the ingress of the other."""
        destination = target.group
        out, into = self.rules(source.group, Direction.EGRESS), self.rules(destination, Direction.INGRESS)
        return self._lets(out, source.group.namespace, Connection(target, destination, port, protocol)) and self._lets(
            into, destination.namespace, Connection(source, destination, port, protocol)
        )

    def chooses(self, peer: Peer, own: str, group: Group) -> bool:
        """Checks whether the selectors of a peer choose a group. Without a namespaceSelector it is in the policy's own namespace."""
        if peer.cidr or (peer.namespaces is None and peer.pods is None):
            return False
        if peer.namespaces is None:
            here = group.namespace == own
        else:
            here = selects(peer.namespaces, self._namespaces.get(group.namespace, {}))
        return here and (peer.pods is None or selects(peer.pods, dict(group.labels)))

    def _lets(self, rules: tuple[Rule, ...] | None, own: str, asked: Connection) -> bool:
        return rules is None or any(self._fits(rule, own, asked) for rule in rules)

    def _fits(self, rule: Rule, own: str, asked: Connection) -> bool:
        is_peer = not rule.peers or any(
            self.chooses(one, own, asked.other.group) or has_address(one, asked.other.addresses) for one in rule.peers
        )
        is_port = not rule.ports or any(
            fits_port(one, asked.destination, asked.port, asked.protocol) for one in rule.ports
        )
        return is_peer and is_port


def has_address(peer: Peer, addresses: Iterable[str]) -> bool:
    """Checks whether a block has one of the addresses. Whether that counts for a pod depends on the network."""
    return bool(peer.cidr) and any(
        _is_in(address, peer.cidr) and not any(_is_in(address, one) for one in peer.without) for address in addresses
    )


def fits_port(port: Port, destination: Group, number: int, protocol: str) -> bool:
    """Checks whether an entry of `ports` means a port of the destination."""
    if port.protocol != protocol:
        return False
    if port.name:
        return (port.name, protocol, number) in destination.ports
    return port.number is None or port.number <= number <= (port.last or port.number)


@cache
def _network(cidr: str) -> IPv4Network | IPv6Network:
    return ip_network(cidr)


def _is_in(address: str, cidr: str) -> bool:
    return ip_address(address) in _network(cidr)
