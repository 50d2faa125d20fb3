"""NetworkPolicies, pods and namespaces as the API has them."""

from collections.abc import Iterable
from typing import Any

from tasks.network_policy.models import Networks
from tasks.network_policy.probes.policies import parse_labels, parse_pod, parse_policy

Object = dict[str, Any]

NAMESPACES = {name: {"kubernetes.io/metadata.name": name, "team": team} for name, team in (("shop", "a"), ("ops", "b"))}


def policy(name: str, selector: Object | None = None, *, namespace: str = "shop", **spec: object) -> Object:
    """A NetworkPolicy; `types` are its policyTypes."""
    types = {"policyTypes": spec.pop("types")} if "types" in spec else {}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector or {}, **types, **spec},
    }


def app(*names: str) -> Object:
    """A selector of the label app."""
    if len(names) == 1:
        return {"matchLabels": {"app": names[0]}}
    return {"matchExpressions": [{"key": "app", "operator": "In", "values": list(names)}]}


def pod(  # noqa: PLR0913 - a pod has that
    name: str,
    *,
    namespace: str = "shop",
    labels: Object | None = None,
    ports: Iterable[Object] = (),
    ip: str = "10.0.0.1",
    node: str = "w1",
    phase: str = "Running",
    **spec: object,
) -> Object:
    """A pod; without labels it has the label app with its name."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {"app": name}}
    containers = [{"name": "c", "ports": list(ports)}]
    status = {"phase": phase, "podIPs": [{"ip": ip}] if ip else []}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": containers, **spec}, "status": status}


def port(name: str, number: int, protocol: str = "TCP") -> Object:
    """A port of a container."""
    return {"name": name, "containerPort": number, "protocol": protocol}


def networks(policies: Iterable[Object], pods: Iterable[Object]) -> Networks:
    """All of it, in the namespaces shop and ops."""
    found = (parse_pod(one) for one in pods)
    spaces = [parse_labels({"metadata": {"name": name, "labels": labels}}) for name, labels in NAMESPACES.items()]
    return Networks(tuple(map(parse_policy, policies)), tuple(one for one in found if one), dict(spaces))
