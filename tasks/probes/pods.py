"""What the API answers about pods, and what protects and places them, read."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tasks.models.pods import (
    Attachment,
    Budget,
    Controller,
    LabelSelector,
    NodeTerm,
    Operator,
    Pod,
    Requirement,
    Toleration,
    Volume,
)

JSON = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"


def parse_pod(raw: JSON) -> Pod:
    """A v1 Pod."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    volumes = spec.get("volumes") or []
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", "Unknown"),
        ready=_is_ready(status),
        stops_by=_moment(metadata.get("deletionTimestamp")),
        labels=metadata.get("labels") or {},
        controller=_controller(metadata),
        mirror=MIRROR in (metadata.get("annotations") or {}),
        running=tuple(one["image"] for one in status.get("containerStatuses") or () if "running" in one["state"]),
        empty_dirs=tuple(volume["name"] for volume in volumes if "emptyDir" in volume),
        claims=tuple(_claims(volumes)),
        own_claims=tuple(f"{metadata['name']}-{volume['name']}" for volume in volumes if "ephemeral" in volume),
        finalizers=tuple(metadata.get("finalizers") or ()),
        node_labels=spec.get("nodeSelector") or {},
        node_terms=parse_node_terms(_required(spec)),
        tolerations=tuple(_toleration(one) for one in spec.get("tolerations") or ()),
        grace_period=timedelta(seconds=spec.get("terminationGracePeriodSeconds", 30)),
    )


def parse_budget(raw: JSON) -> Budget:
    """A policy/v1 PodDisruptionBudget."""
    metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    return Budget(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=parse_selector(spec.get("selector")),
        min_available=str(spec.get("minAvailable", "")),
        max_unavailable=str(spec.get("maxUnavailable", "")),
        always_allows_unready=spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
        healthy=status.get("currentHealthy", 0),
        needed=status.get("desiredHealthy", 0),
        allowed=status.get("disruptionsAllowed", 0),
        expected=status.get("expectedPods", 0),
        problem=_sync_problem(status),
        is_counted=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
    )


def parse_selector(raw: JSON | None) -> LabelSelector | None:
    """A LabelSelector; None stays none, which is not the same as an empty one."""
    if raw is None:
        return None
    return LabelSelector(
        labels=raw.get("matchLabels") or {}, expressions=_requirements(raw.get("matchExpressions") or ())
    )


def parse_node_terms(raw: JSON | None) -> tuple[NodeTerm, ...] | None:
    """A NodeSelector."""
    if raw is None:
        return None
    return tuple(
        NodeTerm(
            labels=_requirements(term.get("matchExpressions") or ()),
            fields=_requirements(term.get("matchFields") or ()),
        )
        for term in raw.get("nodeSelectorTerms") or ()
    )


def parse_volume(raw: JSON) -> Volume | None:
    """A v1 PersistentVolume; None when no claim has it."""
    spec = raw.get("spec", {})
    claim = spec.get("claimRef")
    if not claim:
        return None
    return Volume(
        name=raw["metadata"]["name"],
        claim=f"{claim['namespace']}/{claim['name']}",
        node_terms=parse_node_terms((spec.get("nodeAffinity") or {}).get("required")),
    )


def parse_attachment(raw: JSON) -> Attachment:
    """A storage.k8s.io/v1 VolumeAttachment."""
    spec = raw["spec"]
    return Attachment(
        name=raw["metadata"]["name"],
        node=spec["nodeName"],
        attacher=spec["attacher"],
        volume=spec.get("source", {}).get("persistentVolumeName", ""),
    )


def _is_ready(status: JSON) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())


def _sync_problem(status: JSON) -> str:
    """Of a budget with maxUnavailable or a percentage whose pods have no controller with a scale, for example."""
    for one in status.get("conditions") or ():
        if one["type"] == "DisruptionAllowed" and one.get("reason") == "SyncFailed":
            return str(one.get("message") or "SyncFailed")
    return ""


def _moment(raw: str | None) -> datetime | None:
    return datetime.fromisoformat(raw) if raw else None


def _controller(metadata: JSON) -> Controller | None:
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return Controller(kind=owner["kind"], api_version=owner["apiVersion"], name=owner["name"])
    return None


def _claims(volumes: Iterable[JSON]) -> Iterable[str]:
    """Not those of ephemeral volumes, which are made anew for each pod."""
    for volume in volumes:
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]


def _required(spec: JSON) -> JSON | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required: JSON | None = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required


def _requirements(raw: Iterable[JSON]) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(key=one["key"], operator=Operator(one["operator"]), operands=tuple(one.get("values") or ()))
        for one in raw
    )


def _toleration(raw: JSON) -> Toleration:
    return Toleration(
        key=raw.get("key", ""),
        operator=raw.get("operator") or "Equal",
        value=raw.get("value", ""),
        effect=raw.get("effect", ""),
    )
