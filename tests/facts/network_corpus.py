"""A slow second reading of NetworkPolicies, on the objects themselves, and random objects for it."""

import random
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from tests.facts.networks import NAMESPACES, Object, pod, policy, port


def slowly(policies: list[Object], source: Object, target: Object, number: int, protocol: str) -> bool:
    """Whether the connection is allowed."""
    return one_way(policies, "Egress", source, target, target, number, protocol) and one_way(
        policies, "Ingress", target, source, target, number, protocol
    )


def one_way(  # noqa: PLR0913, PLR0917 - as the text of the API has it
    policies: list[Object], way: str, me: Object, other: Object, target: Object, number: int, protocol: str
) -> bool:
    """Whether the policies of one pod allow it."""
    isolated = False
    for one in policies:
        spec = one["spec"]
        if one["metadata"]["namespace"] != me["metadata"]["namespace"]:
            continue
        if not matches(spec["podSelector"], me["metadata"]["labels"]):
            continue
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if way not in types:
            continue
        isolated = True
        for rule in spec.get(way.lower()) or []:
            peers, ports = rule.get("from" if way == "Ingress" else "to") or [], rule.get("ports") or []
            peer_fits = not peers or any(is_peer(peer, one["metadata"]["namespace"], other) for peer in peers)
            port_fits = not ports or any(is_port(each, target, number, protocol) for each in ports)
            if peer_fits and port_fits:
                return True
    return not isolated


def is_peer(peer: Object, own: str, other: Object) -> bool:
    """Whether an entry means the pod."""
    metadata = other["metadata"]
    if "ipBlock" in peer:
        address = ip_address(other["status"]["podIPs"][0]["ip"])
        block = peer["ipBlock"]
        return address in ip_network(block["cidr"]) and all(
            address not in ip_network(x) for x in block.get("except", [])
        )
    if "namespaceSelector" in peer and "podSelector" in peer:
        labels = NAMESPACES[metadata["namespace"]]
        return matches(peer["namespaceSelector"], labels) and matches(peer["podSelector"], metadata["labels"])
    if "namespaceSelector" in peer:
        return matches(peer["namespaceSelector"], NAMESPACES[metadata["namespace"]])
    return "podSelector" in peer and metadata["namespace"] == own and matches(peer["podSelector"], metadata["labels"])


def is_port(entry: Object, target: Object, number: int, protocol: str) -> bool:
    """Whether an entry means the port."""
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        has = [one for container in target["spec"]["containers"] for one in container["ports"]]
        return any(
            one["name"] == wanted and one["containerPort"] == number and one["protocol"] == protocol for one in has
        )
    return int(wanted) <= number <= int(entry.get("endPort") or wanted)


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a selector means the labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions", []):
        key, operator, wanted = one["key"], one["operator"], one.get("values", [])
        fits = {
            "In": key in labels and labels[key] in wanted,
            "NotIn": key not in labels or labels[key] not in wanted,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits[operator]:
            return False
    return True


class Corpus:
    """Random pods and policies of few labels, so that much of it meets."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - of a test

    def pods(self) -> list[Object]:
        """Six."""
        return [self.pod(index) for index in range(6)]

    def pod(self, index: int) -> Object:
        """With some labels and ports."""
        labels = {key: self.chance.choice("ab") for key in ("app", "tier") if self.chance.random() < 0.8}
        ports = [port("http", self.chance.choice((80, 8080))), port("http", 53, "UDP")]
        place = self.chance.choice(("shop", "ops"))
        made = pod(
            f"p{index}", namespace=place, ip=f"10.0.{index % 2}.{index}", ports=ports[: self.chance.randrange(3)]
        )
        made["metadata"]["labels"] = labels
        return made

    def selector(self) -> Object:
        """Empty, by labels, or by an expression."""
        key, value = self.chance.choice(("app", "tier", "team")), self.chance.choice("ab")
        operator = self.chance.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        wanted = {"values": [value]} if operator in {"In", "NotIn"} else {}
        expression = {"matchExpressions": [{"key": key, "operator": operator, **wanted}]}
        return self.chance.choice(({}, {"matchLabels": {key: value}}, expression))

    def peer(self) -> Object:
        """Each kind."""
        block: Object = {"cidr": self.chance.choice(("10.0.0.0/16", "10.0.1.0/24"))}
        if self.chance.random() < 0.5:
            block["except"] = ["10.0.1.0/30"]
        own, spaces = {"podSelector": self.selector()}, {"namespaceSelector": self.selector()}
        return self.chance.choice(({"ipBlock": block}, own, spaces, {**own, **spaces}))

    def port(self) -> Object:
        """Each kind."""
        entry: Object = self.chance.choice(
            ({}, {"port": "http"}, {"port": 80}, {"port": 53}, {"port": 50, "endPort": 90})
        )
        return entry | self.chance.choice(({}, {"protocol": "TCP"}, {"protocol": "UDP"}))

    def rules(self, peers: str) -> list[Object]:
        """None, one or two; a section of a rule may be missing."""
        return [
            {
                name: [make() for _ in range(self.chance.randrange(1, 3))]
                for name, make in ((peers, self.peer), ("ports", self.port))
                if self.chance.random() < 0.6
            }
            for _ in range(self.chance.randrange(3))
        ]

    def policy(self, name: str) -> Object:
        """With or without types."""
        spec: dict[str, Any] = {"ingress": self.rules("from"), "egress": self.rules("to")}
        if self.chance.random() < 0.7:
            spec["types"] = self.chance.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
        place = self.chance.choice(("shop", "ops"))
        return policy(name, self.selector(), namespace=place, **spec)
