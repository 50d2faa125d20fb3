"""What the API answers about pods, and what protects and places them, read.

Each raises `NotYet`, with the object's name and the field, where an answer is not understood.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.nodes.models.pods import (
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

JSON = Mapping[str, Any]

MIRROR = "kubernetes.io/config.mirror"
LONGEST_GRACE = 10**9
"""Seconds, 31 years: the API takes any number of 64 bits."""


def parse_pod(raw: JSON) -> Pod:
    """A v1 Pod."""
    told = outside.Pod.read(raw, name_of("pod", raw))
    metadata, spec, status = told.metadata, told.spec, told.status
    return Pod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        node=spec.node_name,
        phase=status.phase or "Unknown",
        ready=any(one.type == "Ready" and one.status == "True" for one in status.conditions),
        stops_by=metadata.deletion_timestamp,
        labels=metadata.labels,
        controller=_controller(metadata),
        mirror=MIRROR in metadata.annotations,
        running=tuple(one.image for one in status.container_statuses if one.state.running is not None),
        empty_dirs=tuple(volume.name for volume in spec.volumes if volume.empty_dir is not None),
        claims=tuple(one.claim_name for volume in spec.volumes if (one := volume.persistent_volume_claim)),
        own_claims=tuple(f"{metadata.name}-{volume.name}" for volume in spec.volumes if volume.ephemeral is not None),
        finalizers=metadata.finalizers,
        node_labels=spec.node_selector,
        node_terms=parse_node_terms(spec.affinity.node_affinity.required),
        tolerations=tuple(_toleration(one) for one in spec.tolerations),
        grace_period=timedelta(seconds=max(0, min(spec.termination_grace_period_seconds, LONGEST_GRACE))),
    )


def parse_budget(raw: JSON) -> Budget:
    """A policy/v1 PodDisruptionBudget."""
    told = outside.Budget.read(raw, name_of("PodDisruptionBudget", raw))
    spec, status = told.spec, told.status
    return Budget(
        namespace=told.metadata.namespace,
        name=told.metadata.name,
        selector=parse_selector(spec.selector),
        min_available=str(spec.min_available),
        max_unavailable=str(spec.max_unavailable),
        always_allows_unready=spec.unhealthy_pod_eviction_policy == "AlwaysAllow",
        healthy=status.current_healthy,
        needed=status.desired_healthy,
        allowed=status.disruptions_allowed,
        expected=status.expected_pods,
        problem=_sync_problem(status),
        is_counted=status.observed_generation >= told.metadata.generation,
    )


def parse_selector(told: outside.Selector | None) -> LabelSelector | None:
    """A LabelSelector; None stays none, which is not the same as an empty one."""
    if told is None:
        return None
    return LabelSelector(labels=told.match_labels, expressions=_requirements(told.match_expressions))


def parse_node_terms(told: outside.NodeSelector | None) -> tuple[NodeTerm, ...] | None:
    """A NodeSelector."""
    if told is None:
        return None
    return tuple(
        NodeTerm(labels=_requirements(term.match_expressions), fields=_requirements(term.match_fields))
        for term in told.node_selector_terms
    )


def parse_volume(raw: JSON) -> Volume | None:
    """A v1 PersistentVolume; None when no claim has it."""
    told = outside.Volume.read(raw, name_of("PersistentVolume", raw))
    claim = told.spec.claim_ref
    if claim is None:
        return None
    return Volume(
        name=told.metadata.name,
        claim=f"{claim.namespace}/{claim.name}",
        node_terms=parse_node_terms(told.spec.node_affinity.required),
    )


def parse_attachment(raw: JSON) -> Attachment:
    """A storage.k8s.io/v1 VolumeAttachment."""
    told = outside.Attachment.read(raw, name_of("VolumeAttachment", raw))
    return Attachment(
        name=told.metadata.name,
        node=told.spec.node_name,
        attacher=told.spec.attacher,
        volume=told.spec.source.persistent_volume_name,
    )


def _sync_problem(status: outside.BudgetStatus) -> str:
    """Of a budget with maxUnavailable or a percentage whose pods have no controller with a scale, for example."""
    for one in status.conditions:
        if one.type == "DisruptionAllowed" and one.reason == "SyncFailed":
            return one.message or "SyncFailed"
    return ""


def _controller(metadata: outside.PodMetadata) -> Controller | None:
    for owner in metadata.owner_references:
        if owner.controller:
            return Controller(kind=owner.kind, api_version=owner.api_version, name=owner.name)
    return None


def _requirements(told: Iterable[outside.Requirement]) -> tuple[Requirement, ...]:
    return tuple(Requirement(key=one.key, operator=Operator(one.operator), operands=one.values) for one in told)


def _toleration(told: outside.Toleration) -> Toleration:
    return Toleration(key=told.key, operator=told.operator or "Equal", value=told.value, effect=told.effect)
