"""Finds what policies leave open, and what they say about pods, labels and ports that nobody has."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tasks.network_policy.models import Cover, Direction, Group, Networks, Peer, Policy, Port, Rule, words_of
from tasks.network_policy.policy.evaluate import Evaluator, fits_port
from tasks.nodes.models.pods import LabelSelector
from tasks.nodes.policy.selectors import selects

DNS_PODS = ("k8s-app", "kube-dns")
"""Is the label of the pods of CoreDNS, which kubeadm and most others keep from kube-dns."""

DNS = 53


class Coverage(NamedTuple):
    """Holds what the policies of a namespace leave open."""

    namespace: str
    pods: int
    open: tuple[tuple[Direction, tuple[str, ...]], ...]
    """It has each direction with pods that no policy selects, and their names."""
    without_default: tuple[Direction, ...]
    """They are the directions in which a new pod with other labels is open."""


class Flaw(NamedTuple):
    """Holds something in the policies of a namespace that cannot be meant so."""

    check: str
    namespace: str
    words: str


def coverage_of(networks: Networks, evaluator: Evaluator) -> Iterator[Coverage]:
    """Yields each namespace with pods that policies can select."""
    inside: dict[str, dict[Group, list[str]]] = {}
    for pod in networks.pods:
        inside.setdefault(pod.group.namespace, {}).setdefault(pod.group, []).append(pod.name)
    for namespace, groups in sorted(inside.items()):
        found = {
            way: [name for one in groups if evaluator.cover(one, way) is Cover.OPEN for name in groups[one]]
            for way in Direction
        }
        yield Coverage(
            namespace,
            sum(len(names) for names in groups.values()),
            tuple((way, tuple(sorted(names))) for way, names in found.items() if names),
            tuple(way for way in Direction if not _has_default(networks.policies, namespace, way)),
        )


def find_flaws(networks: Networks, evaluator: Evaluator) -> Iterator[Flaw]:
    """Yields what is wrong with each policy, by the pods and namespaces that exist now."""
    groups = tuple(dict.fromkeys(one.group for one in networks.pods))
    seen = _Seen(networks, evaluator, groups)
    selected = {(one.namespace, one.name) for group in groups for one in evaluator.selecting(group)}
    for one in networks.policies:
        if (one.namespace, one.name) not in selected:
            yield Flaw("selects-nothing", one.namespace, f"{one.name} ({words_of(one.selector)})")
        for way in Direction:
            for rule in one.rules(way) or ():
                yield from seen.flaws_of(one, way, rule)
    yield from _without_dns(seen, evaluator)


class _Seen:
    """Answers what exists, and each question once."""

    def __init__(self, networks: Networks, evaluator: Evaluator, groups: tuple[Group, ...]) -> None:
        self._evaluator = evaluator
        self.groups = groups
        self.inside: dict[str, list[Group]] = {}
        self._having: dict[tuple[str, str], list[Group]] = {}
        for one in groups:
            self.inside.setdefault(one.namespace, []).append(one)
            for label in one.labels:
                self._having.setdefault(label, []).append(one)
        self._chosen: dict[tuple[str, str], tuple[Group, ...]] = {}
        self._addresses = _Addresses(address for one in networks.pods for address in one.addresses)
        self.dns = tuple(one for one in groups if DNS_PODS in one.labels)

    def chosen(self, peer: Peer, own: str) -> tuple[Group, ...]:
        """Returns the groups that a peer chooses. A peer with a namespaceSelector does not depend on its own namespace."""
        place = own if peer.namespaces is None else ""
        key = (place, peer.model_dump_json())
        if key not in self._chosen:
            wanted = peer.pods.labels.items() if peer.pods is not None else ()
            among = min((self._having.get(one, []) for one in wanted), key=len, default=self.groups)
            self._chosen[key] = tuple(one for one in among if self._evaluator.chooses(peer, own, one))
        return self._chosen[key]

    def flaws_of(self, policy: Policy, way: Direction, rule: Rule) -> Iterator[Flaw]:
        for peer in rule.peers:
            where = f"{policy.name}: {way} {'from' if way is Direction.INGRESS else 'to'} {peer.words}"
            if peer.cidr:
                count = self._addresses.count(peer.cidr) - sum(self._addresses.count(one) for one in peer.without)
                if count:
                    yield Flaw("pod-addresses", policy.namespace, f"{where} has {count} addresses of pods now")
            elif not self.chosen(peer, policy.namespace):
                yield Flaw("label-nobody", policy.namespace, where)
        for port in rule.ports:
            there = self._destinations(policy, way, rule) if port.name else ()
            if there and not any(_has_port(one, port) for one in there):
                yield Flaw("port-nobody", policy.namespace, f"{policy.name}: {way} port {port.name}/{port.protocol}")

    def _destinations(self, policy: Policy, way: Direction, rule: Rule) -> Sequence[Group]:
        """Returns the pods whose ports a rule names: those of the policy, or its peers. Without a peer it is every pod."""
        if way is Direction.INGRESS:
            inside = self.inside.get(policy.namespace, ())
            return [one for one in inside if selects(policy.selector, dict(one.labels))]
        if not rule.peers:
            return self.groups
        return [group for peer in rule.peers for group in self.chosen(peer, policy.namespace)]

    def lets_dns(self, rule: Rule, own: str) -> bool:
        """Checks whether a rule may be about DNS. A block may have a resolver; what has no known pod is not judged."""
        has_port = not rule.ports or any(
            one.protocol == "UDP" and (bool(one.name) or fits_port(one, _NOBODY, DNS, "UDP")) for one in rule.ports
        )
        is_there = not rule.peers or any(
            one.cidr or not self.dns or any(self._evaluator.chooses(one, own, pod) for pod in self.dns)
            for one in rule.peers
        )
        return has_port and is_there


_NOBODY = Group("", ())


class _Addresses:
    """Counts addresses of pods in a block."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._sorted = sorted((one.version, int(one)) for one in map(ip_address, addresses))

    def count(self, cidr: str) -> int:
        block = ip_network(cidr)
        low, high = (block.version, int(block[0])), (block.version, int(block[-1]))
        return bisect_right(self._sorted, high) - bisect_left(self._sorted, low)


def _without_dns(seen: _Seen, evaluator: Evaluator) -> Iterator[Flaw]:
    """Yields policies of pods that may go somewhere, and not to DNS. A pod that may go nowhere is meant so."""
    found: dict[tuple[str, str], None] = {}
    for one in seen.groups:
        rules = evaluator.rules(one, Direction.EGRESS)
        if rules and not any(seen.lets_dns(rule, one.namespace) for rule in rules):
            names = sorted(policy.name for policy in evaluator.selecting(one) if policy.egress)
            found[one.namespace, ", ".join(names)] = None
    for namespace, words in found:
        yield Flaw("no-dns", namespace, words)


def _has_default(policies: Iterable[Policy], namespace: str, way: Direction) -> bool:
    """Checks whether a policy isolates every pod of the namespace, and allows not everything."""
    for one in policies:
        rules = one.rules(way)
        is_for_all = one.namespace == namespace and one.selector == LabelSelector()
        if is_for_all and rules is not None and all(rule.peers or rule.ports for rule in rules):
            return True
    return False


def _has_port(group: Group, port: Port) -> bool:
    return any((one.name, one.protocol) == (port.name, port.protocol) for one in group.ports)
