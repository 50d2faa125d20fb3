"""Parses which pods use which claims, and what controls these pods."""

from typing import Any

from tasks.nodes.probes.pods import parse_pod
from tasks.volumes.models.archives import PodOfClaim

JSON = dict[str, Any]

HASH = "pod-template-hash"


def parse_pod_of_claim(raw: JSON) -> PodOfClaim:
    """Parses a pod. The ReplicaSet of a Deployment has the Deployment's name and a hash, which is a label of the pod."""
    pod = parse_pod(raw)
    kind, name = (pod.controller.kind, pod.controller.name) if pod.controller else ("", "")
    suffix = f"-{pod.labels[HASH]}" if HASH in pod.labels else ""
    if kind == "ReplicaSet" and suffix and name.endswith(suffix):
        kind, name = "Deployment", name.removesuffix(suffix)
    return PodOfClaim(
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        node=pod.node,
        is_finished=pod.is_finished,
        controller_kind=kind,
        controller=name,
        claims=tuple(f"{pod.namespace}/{claim}" for claim in pod.every_claim),
    )
