"""Decides what a canary of NetworkPolicies is, where it runs, and what its connections show."""

import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tasks.core.models import outside
from tasks.network_policy.models import RUN, UNTIL, Enforcement, Seen, Try, Verdict
from tasks.network_policy.policy.pairs import judge_tries

JSON = dict[str, Any]

PORT = 5353
"""Is where CoreDNS listens in the pods: it needs no right for it."""

LABELS = {"app.kubernetes.io/managed-by": "kube-runbooks", "kube-runbooks.io/canary": "network"}
"""Marks a namespace that belongs to a canary: nothing else is ever removed."""

OURS = ",".join(f"{name}={value}" for name, value in LABELS.items())

PODS = ("one", "two")

DENY = "deny-all"

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"

DNS_PODS = "k8s-app=kube-dns"


def image_of(pods: Iterable[outside.GivenPod]) -> str:
    """Returns the image of CoreDNS that the DNS pods of the cluster run; empty if they run something else."""
    found = [one.image for pod in pods for one in pod.spec.containers]
    return next((one for one in found if "coredns" in one), "")


def choose_nodes(nodes: Iterable[outside.Node], known: Collection[str], seed: str) -> tuple[str, str] | None:
    """Returns two nodes of the profile that take pods, one of them twice if there is only one; None without any.

    Another seed begins with another node, so many runs try many nodes. A control plane node counts if no other node does.
    """
    usable = [one for one in nodes if one.metadata.name in known and _is_ready(one)]
    free = [one.metadata.name for one in usable if not _barriers(one)]
    found = sorted(free or [one.metadata.name for one in usable if _barriers(one) == {CONTROL_PLANE}])
    if not found:
        return None
    first = zlib.crc32(seed.encode()) % len(found)
    return found[first], found[(first + 1) % len(found)]


def _is_ready(node: outside.Node) -> bool:
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    return ready and not node.spec.unschedulable and node.status.node_info.operating_system in {"", "linux"}


def _barriers(node: outside.Node) -> set[str]:
    return {one.key for one in node.spec.taints if one.effect != "PreferNoSchedule"}


def namespace_body(name: str, run_id: str, until: str) -> JSON:
    """Returns the namespace. It enforces the level restricted, so its pods are proven to fit."""
    labels = {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    return {"metadata": {"name": name, "labels": labels, "annotations": {RUN: run_id, UNTIL: until}}}


def pod_body(name: str, image: str, node: str) -> JSON:
    """Returns a pod that listens, on one node. It has no token and no right, and is Ready as soon as it listens."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    # The file of CoreDNS wants this right, and does not start without it. The level restricted allows it.
    capabilities = {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    container = {
        "name": "listener",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"-dns.port={PORT}"],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": capabilities,
        },
    }
    spec = {
        "affinity": affinity,
        "tolerations": [{"key": CONTROL_PLANE, "operator": "Exists", "effect": "NoSchedule"}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"metadata": {"name": name, "labels": dict(LABELS)}, "spec": spec}


def deny_body() -> JSON:
    """Returns a policy that denies everything to and from every pod of its namespace."""
    metadata = {"name": DENY, "labels": dict(LABELS)}
    return {"metadata": metadata, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}


def why_not_ready(pod: outside.PodProgress) -> str:
    """Returns why a pod is not Ready; empty if it is."""
    status = pod.status
    if any(one.type == "Ready" and one.status == "True" for one in status.conditions):
        return ""
    waiting = [one.state.waiting for one in status.container_statuses if one.state.waiting]
    words = [f"{one.reason}: {one.message}" if one.message else one.reason for one in waiting]
    words += [one.message for one in status.conditions if one.type == "PodScheduled" and one.status == "False"]
    reason = next((one for one in words if one), "") or status.message or status.phase or "Pending"
    return f"pod {pod.metadata.namespace}/{pod.metadata.name} is not Ready: {reason}"


def judge_before(tries: Sequence[Try]) -> str:
    """Returns why a canary cannot show anything: something is closed before any policy. It is empty if all is open."""
    if all(one.seen is Seen.OPEN for one in tries):
        return ""
    return f"a connection of the canary was closed before there was a policy: {_first_closed(tries)}"


def judge_canary(
    controls: Sequence[Try], denied: Sequence[Try], again: Sequence[Try], *, others: bool = False
) -> Enforcement:
    """Says what the connections show: denied ones must be closed, and open again without the policy.

    `controls` are those from the node of each pod, which no policy keeps off.
    """
    kept = [one.model_copy(update={"is_denied": True}) for one in denied]
    found = judge_tries([*controls, *kept], others=others)
    if found.verdict is Verdict.ENFORCED and any(one.seen is not Seen.OPEN for one in again):
        reason = f"a connection of the canary stayed closed after its policy was deleted: {_first_closed(again)}"
        return Enforcement(reason=reason, tries=found.tries)
    return found


def _first_closed(tries: Sequence[Try]) -> str:
    one = next(one for one in tries if one.seen is not Seen.OPEN)
    return f"{one.words} ({one.said})" if one.said else one.words
