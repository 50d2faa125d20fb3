"""Reads NetworkPolicies, pods and namespaces. It changes nothing."""

from collections.abc import Callable, Iterable

from tasks.clients.kube import JSON, KubeClient
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.words import counted
from tasks.network_policy.models import Group, Networks, Pod
from tasks.network_policy.probes.policies import (
    NAMESPACES,
    OTHER_KINDS,
    PODS,
    POLICIES,
    parse_labels,
    parse_pod,
    parse_policy,
)


def read_networks(kube: KubeClient, pods: Iterable[Pod | None] | None = None) -> Networks:
    """Reads all policies, the pods that they can select, and the namespaces; the pods unless these were read already."""
    found = kube.read_all(PODS, pod_parser()) if pods is None else pods
    return Networks(
        policies=tuple(kube.read_all(POLICIES, parse_policy)),
        pods=tuple(one for one in found if one),
        namespaces=dict(kube.read_all(NAMESPACES, parse_labels)),
        others=read_others(kube),
    )


def pod_parser() -> Callable[[JSON], Pod | None]:
    """Returns a parser of pods that has the labels of equal pods in memory once."""
    groups: dict[Group, Group] = {}

    def parse(raw: JSON) -> Pod | None:
        pod = parse_pod(raw)
        return pod._replace(group=groups.setdefault(pod.group, pod.group)) if pod else None

    return parse


def read_others(kube: KubeClient) -> tuple[str, ...]:
    """Returns which other kinds of policies have objects, and how many."""
    found: list[str] = []
    for item in kube.groups("/apis"):
        group = outside.ApiGroup.read(item, "an API group")
        for version in group.versions[:1]:
            for one in version.resources:
                if (group.metadata.name, one.resource) in OTHER_KINDS:
                    name = f"{one.resource}.{group.metadata.name}"
                    found += _objects(kube, f"/apis/{group.metadata.name}/{version.version}/{one.resource}", name)
    return tuple(found)


def _objects(kube: KubeClient, path: str, name: str) -> list[str]:
    """Returns how many objects a kind has. One that could not be read may have some."""
    try:
        count = len(kube.heads(path))
    except RunbookError as error:
        return [f"{name} ({error.problem})"]
    return [counted(count, f"{name} object")] if count else []
