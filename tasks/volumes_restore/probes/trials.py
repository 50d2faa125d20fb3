"""Parses the pods that restores make for checks. Asked at: /api/v1/namespaces/NAMESPACE/pods."""

from collections.abc import Sequence
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.volumes_restore.models.checks import TRIAL, LeftPod
from tasks.workloads.models.state import PodState
from tasks.workloads.policy.masking import masked
from tasks.workloads.probes.parsing import parse_events, parse_pod

JSON = dict[str, Any]


def parse_left(raw: JSON) -> LeftPod:
    """Parses such a pod."""
    meta = outside.Pod.read(raw, name_of("pod", raw)).metadata
    claims = meta.annotations.get(TRIAL, "")
    return LeftPod(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        claims=tuple(claims.split(",")) if claims else (),
        finalizers=meta.finalizers,
    )


def parse_trial(raw: JSON, events: Sequence[JSON]) -> PodState:
    """Parses such a pod with its events."""
    return parse_pod(raw, parse_events(events))


def why_ended(pod: PodState) -> str:
    """Returns why a pod that should wait has ended; empty if it has not."""
    if not pod.is_finished:
        return ""
    of_pod = [f"{pod.reason}: {masked(pod.message)}"] if pod.reason else []
    of_containers = [
        f"{one.exit_reason or 'it ended'} with exit code {one.exit_code}: {masked(one.message)}"
        for one in pod.containers
        if one.has_ended
    ]
    return "; ".join(one.rstrip(": ") for one in (*of_pod, *of_containers)) or pod.phase
