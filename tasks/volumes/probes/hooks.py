"""Parses the pods that hooks and checks fit, and how their scripts ended. Asked at: /api/v1/namespaces/NAMESPACE/pods."""

from enum import StrEnum
from typing import Any

from tasks.core.models import outside
from tasks.core.models.profile import InContainers
from tasks.nodes.probes import pods
from tasks.volumes.models.freezes import HookPod

JSON = dict[str, Any]


class Ended(StrEnum):
    """This is what a script says in the end."""

    RUNNING = "running"
    FROZEN = "frozen"
    BUSY = "busy"
    THAWED = "thawed"
    THAWED_BEFORE = "thawed-before"
    GONE = "gone"
    UNSURE = "unsure"
    PASSED = "passed"


def parse_pod(raw: JSON, hook: InContainers) -> HookPod:
    """Parses a pod that a hook or a check fits."""
    one = outside.Pod.read(raw, outside.name_of("pod", raw))
    meta, status = one.metadata, one.status
    found = next((each for each in status.container_statuses if each.name == hook.container), None)
    runs = found is not None and found.state.running is not None
    return HookPod(
        hook=hook.name,
        namespace=meta.namespace,
        pod=meta.name,
        pod_uid=meta.uid,
        node=one.spec.node_name,
        phase=status.phase,
        deleting=meta.deletion_timestamp is not None,
        container=hook.container,
        container_id=found.container_id.rpartition("//")[2] if found and runs else "",
        containers=tuple(each.name for each in one.spec.containers),
        is_ready=bool(found and found.ready),
        claims=tuple(f"{meta.namespace}/{name}" for name in pods.parse_pod(raw).every_claim),
    )


def parse_end(printed: str) -> Ended | str:
    """Parses the last line of a script: how it ended, or which status the command had."""
    last = (printed.strip().splitlines() or [""])[-1]
    return Ended(last) if last in set(Ended) else last
