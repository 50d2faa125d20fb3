"""Decides what a drill creates in a throw-away namespace: nothing of it runs, and nothing is reachable from outside."""

from collections.abc import Collection, Sequence
from copy import deepcopy

from tasks.resources_restore.models import JSON, Target
from tasks.resources_restore.policy.compare import differences
from tasks.resources_restore.policy.prepare import Around, prepare
from tasks.resources_restore.policy.services import without_claims

PREFIX = "kube-runbooks-drill-"
LABEL = "kube-runbooks.io/drill"
"""Marks throw-away namespaces, by which the next run finds what a killed one has left."""

NEVER = {LABEL: "never"}
"""Is a node selector that no node fits."""

CREATED = frozenset(
    [
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("", "Service"),
        ("", "LimitRange"),
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "CronJob"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
        ("rbac.authorization.k8s.io", "Role"),
    ]
)
"""Lists the kinds that a drill creates. Of all others, somebody's controller could do work outside of the namespace."""

NOT_TRIED = {
    ("", "Pod"): "a pod would run",
    ("", "ResourceQuota"): "the throw-away namespace has a quota of its own, which forbids pods",
}
"""Maps kinds that are not even tried to the reason."""

EXPOSED = (
    "allocateLoadBalancerNodePorts",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "sessionAffinityConfig",
)
"""Lists fields of a Service that only one with an address outside of the cluster may have."""

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})


def is_created(target: Target) -> bool:
    """Checks whether a drill creates the object, and does not only try it."""
    return (target.group, target.kind) in CREATED


def why_not_tried(target: Target) -> str:
    """Returns why an object is not tried at all; empty if it is."""
    return NOT_TRIED.get((target.group, target.kind), "")


def throwaway_name(run_id: str, number: int) -> str:
    """Returns the name of a throw-away namespace."""
    return f"{PREFIX}{run_id}-{number}"


def throwaway(name: str, source: str, run_id: str) -> JSON:
    """Returns the namespace."""
    labels = {LABEL: "true", "app.kubernetes.io/managed-by": "kube-runbooks"}
    notes = {"kube-runbooks.io/source": source, "kube-runbooks.io/run": run_id}
    return {"metadata": {"name": name, "labels": labels, "annotations": notes}}


def guard() -> JSON:
    """Returns the quota by which nothing runs in a throw-away namespace, and nothing is exposed."""
    hard = {"pods": "0", "services.loadbalancers": "0", "services.nodeports": "0"}
    return {"metadata": {"name": "kube-runbooks-drill"}, "spec": {"hard": hard}}


def is_ours(namespace: JSON) -> bool:
    """Checks whether a drill has made the namespace."""
    head = namespace["metadata"]
    return head["name"].startswith(PREFIX) and LABEL in head.get("labels", {})


def sample(names: Collection[str], count: int, day: int) -> tuple[str, ...]:
    """Returns the namespaces of a day: after some days, each was drilled."""
    found = sorted(set(names) - SYSTEM)
    begin = day * count % len(found) if found else 0
    return tuple(dict.fromkeys((found + found)[begin : begin + count]))


def calm(target: Target, body: JSON) -> JSON:
    """Returns the object so that it runs nothing and is reachable from nowhere."""
    made = deepcopy(body)
    spec = made.get("spec", {})
    match target.group, target.kind:
        case "apps", "Deployment" | "StatefulSet":
            spec["replicas"] = 0
        case "apps", "DaemonSet":
            spec["template"]["spec"]["nodeSelector"] = NEVER
        case "batch", "CronJob":
            spec["suspend"] = True
        case "", "Service":
            made = without_claims(made)
            spec = {name: value for name, value in made["spec"].items() if name not in EXPOSED}
            outside = spec.get("type") in {"LoadBalancer", "NodePort"}
            made["spec"] = spec | ({"type": "ClusterIP"} if outside else {})
        case _:
            pass
    return made


def compared(target: Target, sent: JSON, found: JSON) -> Sequence[str]:
    """Returns how an object that was read back differs from the one that was sent."""
    ready = prepare(target, found, Around())
    return differences(calm(target, sent), calm(target, ready.body))
