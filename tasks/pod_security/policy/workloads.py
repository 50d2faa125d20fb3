"""Judges workloads and namespaces: what they fit, what would fix them, and what a namespace could enforce."""

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any

from tasks.core.models import outside
from tasks.pod_security.models import Level, Namespace, Violation, Workload
from tasks.pod_security.policy.fixes import fix_of
from tasks.pod_security.policy.standards import violations_of

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Lists the namespaces of the cluster itself: its own pods need the node, and are not judged."""


def judge(pod: outside.SecuredPod, minor: int) -> tuple[Violation, ...]:
    """Returns everything that the strictest level forbids."""
    return violations_of(pod, Level.RESTRICTED, minor)


def images_of(pod: outside.SecuredPod) -> tuple[str, ...]:
    """Returns the images of all containers, each once."""
    spec = pod.spec
    found = (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)
    return tuple(dict.fromkeys(one.image for one in found if one.image))


def patch_for(workload: Workload) -> dict[str, Any]:
    """Returns the patch of a workload with everything that can be fixed from here; it is empty if nothing can."""
    fix = fix_of(workload.violations)
    return reduce(lambda inner, part: {part: inner}, reversed(workload.template), fix) if fix else {}


def could_enforce(namespace: Namespace, workloads: Sequence[Workload]) -> Namespace:
    """Returns the namespace with the strictest level that all its workloads fit. Without a workload nobody knows."""
    levels = [one.fits for one in workloads if one.namespace == namespace.name]
    return (
        namespace.model_copy(update={"could_enforce": min(levels, key=lambda one: one.rank)}) if levels else namespace
    )


def shown_patch(patch: dict[str, Any]) -> str:
    """Returns a patch as people paste it."""
    return json.dumps(patch, separators=(",", ":"), sort_keys=True)
