"""Parses the API's answers about pods, and about what protects and places them.

Each parser raises `NotYet`, with the object's name and the field, if an answer could not be parsed.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.nodes.models.pods import (
    Attachment,
    Behind,
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
"""Limits the grace period to this many seconds (31 years). The API accepts any number of 64 bits."""


def parse_pod(raw: JSON) -> Pod:
    """Parses a v1 Pod."""
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
    """Parses a policy/v1 PodDisruptionBudget."""
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
        operator=_custom_owner(told.metadata),
    )


def parse_behind(controller: Controller, raw: JSON) -> Behind:
    """Parses one of Kubernetes' own controllers: the custom resource that it belongs to, and the labels that it sets."""
    told = outside.OwnedController.read(raw, name_of(controller.kind, raw))
    labels = told.spec.template.metadata.labels
    operator = _custom_owner(told.metadata)
    return Behind(namespace=told.metadata.namespace, controller=controller, operator=operator, labels=labels)


def controller_of(raw: JSON) -> Controller | None:
    """Returns what recreates or manages an object, or None if nothing does."""
    return _controller(outside.OwnedController.read(raw, name_of("controller", raw)).metadata)


def parse_selector(told: outside.Selector | None) -> LabelSelector | None:
    """Parses a LabelSelector. None stays None, which is not the same as an empty selector."""
    if told is None:
        return None
    return LabelSelector(labels=told.match_labels, expressions=_requirements(told.match_expressions))


def parse_node_terms(told: outside.NodeSelector | None) -> tuple[NodeTerm, ...] | None:
    """Parses a NodeSelector. None stays None."""
    if told is None:
        return None
    return tuple(
        NodeTerm(labels=_requirements(term.match_expressions), fields=_requirements(term.match_fields))
        for term in told.node_selector_terms
    )


def parse_volume(raw: JSON) -> Volume | None:
    """Parses a v1 PersistentVolume. Returns None if it is bound to no claim."""
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
    """Parses a storage.k8s.io/v1 VolumeAttachment."""
    told = outside.Attachment.read(raw, name_of("VolumeAttachment", raw))
    return Attachment(
        name=told.metadata.name,
        node=told.spec.node_name,
        attacher=told.spec.attacher,
        volume=told.spec.source.persistent_volume_name,
        problem=told.status.detach_error.message,
    )


def _sync_problem(status: outside.BudgetStatus) -> str:
    """Returns why the controllers cannot count for a PodDisruptionBudget; empty if they can.

    One example has maxUnavailable or a percentage, and its pods have no controller with a scale.
    """
    for one in status.conditions:
        if one.type == "DisruptionAllowed" and one.reason == "SyncFailed":
            return one.message or "SyncFailed"
    return ""


def _controller(metadata: outside.OwnedMetadata) -> Controller | None:
    return next((_owner(one) for one in metadata.owner_references if one.controller), None)


def _custom_owner(metadata: outside.OwnedMetadata) -> Controller | None:
    """Returns the custom resource among the owners, or None.

    Not every operator marks itself as the controller of what it creates.
    """
    return next((owner for one in metadata.owner_references if (owner := _owner(one)).is_custom), None)


def _owner(told: outside.Owner) -> Controller:
    return Controller(kind=told.kind, api_version=told.api_version, name=told.name)


def _requirements(told: Iterable[outside.Requirement]) -> tuple[Requirement, ...]:
    return tuple(Requirement(key=one.key, operator=Operator(one.operator), operands=one.values) for one in told)


def _toleration(told: outside.Toleration) -> Toleration:
    return Toleration(key=told.key, operator=told.operator or "Equal", value=told.value, effect=told.effect)
