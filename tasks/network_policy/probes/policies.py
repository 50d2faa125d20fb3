"""Parses NetworkPolicies, pods and namespaces as policies see them."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.network_policy.models import Group, NamedPort, Peer, Pod, Policy, Port, Rule
from tasks.nodes.models.pods import LabelSelector
from tasks.nodes.probes.pods import parse_selector

JSON = Mapping[str, Any]

POLICIES, PODS, NAMESPACES = "/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/pods", "/api/v1/namespaces"

OTHER_KINDS = frozenset(
    {
        ("policy.networking.k8s.io", "adminnetworkpolicies"),
        ("policy.networking.k8s.io", "baselineadminnetworkpolicies"),
        ("policy.networking.k8s.io", "clusternetworkpolicies"),
        ("cilium.io", "ciliumnetworkpolicies"),
        ("cilium.io", "ciliumclusterwidenetworkpolicies"),
        ("crd.projectcalico.org", "networkpolicies"),
        ("crd.projectcalico.org", "globalnetworkpolicies"),
        ("crd.antrea.io", "networkpolicies"),
        ("crd.antrea.io", "clusternetworkpolicies"),
    }
)
"""Lists other kinds of policies, by group and resource. The audit only says that they exist."""


def parse_policy(raw: JSON) -> Policy:
    """Parses a NetworkPolicy. The API server writes policyTypes into each; without them they follow from the sections."""
    what = name_of("NetworkPolicy", raw)
    told = outside.NetworkPolicy.read(raw, what)
    spec = told.spec
    types = spec.policy_types or ("Ingress", *(("Egress",) if spec.egress else ()))
    return Policy(
        namespace=told.metadata.namespace,
        name=told.metadata.name,
        selector=parse_selector(spec.pod_selector) or LabelSelector(),
        ingress=tuple(_rule(one.peers, one.ports, what) for one in spec.ingress) if "Ingress" in types else None,
        egress=tuple(_rule(one.peers, one.ports, what) for one in spec.egress) if "Egress" in types else None,
    )


def parse_pod(raw: JSON) -> Pod | None:
    """Parses a pod. It returns None if it has ended, or if it is in the network of its node: policies say nothing about these."""
    told = outside.NetworkPod.read(raw, name_of("pod", raw))
    if told.spec.host_network or told.status.phase in {"Succeeded", "Failed"}:
        return None
    containers = (*told.spec.containers, *(one for one in told.spec.init_containers if one.restart_policy == "Always"))
    ports = tuple(
        NamedPort(one.name, one.protocol, one.container_port) for each in containers for one in each.ports if one.name
    )
    runs = told.status.phase == "Running" and not told.metadata.deletion_timestamp
    return Pod(
        told.metadata.name,
        Group(told.metadata.namespace, tuple(sorted(told.metadata.labels.items())), ports),
        node=told.spec.node_name if runs else "",
        uid=told.metadata.uid,
        addresses=tuple(one.ip for one in told.status.pod_ips),
        is_sandboxed=bool(told.spec.runtime_class_name),
    )


def parse_labels(raw: JSON) -> tuple[str, Mapping[str, str]]:
    """Parses the name and the labels of a namespace."""
    metadata = outside.Named.read(raw, name_of("namespace", raw)).metadata
    return metadata.name, metadata.labels


def _rule(peers: tuple[outside.NetworkPeer, ...], ports: tuple[outside.NetworkPort, ...], what: str) -> Rule:
    return Rule(peers=tuple(_peer(one, what) for one in peers), ports=tuple(_port(one) for one in ports))


def _peer(told: outside.NetworkPeer, what: str) -> Peer:
    if told.ip_block:
        block = told.ip_block
        return Peer(cidr=_cidr(block.cidr, what), without=tuple(_cidr(one, what) for one in block.excluded))
    return Peer(namespaces=parse_selector(told.namespace_selector), pods=parse_selector(told.pod_selector))


def _port(told: outside.NetworkPort) -> Port:
    if isinstance(told.port, str):
        return Port(protocol=told.protocol, name=told.port)
    return Port(protocol=told.protocol, number=told.port, last=told.end_port)


def _cidr(text: str, what: str) -> str:
    """Returns a block without zeros in front of numbers: the API took them until 1.36, and reads them as decimal."""
    address, _, bits = text.partition("/")
    try:
        plain = address if ":" in address else ".".join(str(int(one)) for one in address.split("."))
        return str(ip_network(f"{plain}/{bits}", strict=False))
    except ValueError:
        raise NotYet(f"{what} has an ipBlock that is none: {text}", hint="correct it with kubectl edit") from None
