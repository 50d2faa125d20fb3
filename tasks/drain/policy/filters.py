"""Implements kubectl's filters.

They find pods that a drain leaves, pods that nothing would recreate, and pods whose data would be lost.
"""

from datetime import datetime

from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.policy.lookup import Lookup, Ruling
from tasks.nodes.models.pods import Pod


def is_overdue(pod: Pod, options: DrainOptions, now: datetime) -> bool:
    """Checks whether the pod should have stopped so long ago that it is no longer waited for."""
    return bool(
        pod.stops_by
        and options.skip_wait_for_delete_timeout
        and now - pod.stops_by > options.skip_wait_for_delete_timeout
    )


def not_waited_for(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Leaves a pod that should have stopped long ago, if an option skips the wait for such pods."""
    if is_overdue(pod, lookup.options, lookup.facts.observed_at):
        return Ruling(Treatment.LEAVE, f"it should have stopped by {pod.stops_by:%Y-%m-%dT%H:%M:%SZ}: not waited for")
    return None


def of_daemon_set(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Leaves a pod that its DaemonSet would recreate at once. A DaemonSet that no longer exists recreates nothing."""
    owner = pod.controller
    if owner is None or (owner.kind, owner.api_version) != ("DaemonSet", "apps/v1") or pod.is_finished:
        return None
    if f"{pod.namespace}/{owner.name}" in lookup.facts.daemon_sets:
        return Ruling(Treatment.LEAVE, f"of the DaemonSet {owner.name}, which would bring it back at once")
    if lookup.options.force or pod.stops_by:
        return Ruling(Treatment.EVICT_FOR_GOOD, f"its DaemonSet {owner.name} is gone")
    return Ruling(
        Treatment.BLOCKED,
        f"its DaemonSet {owner.name} is gone: nothing brings it back",
        "delete it, or allow it with --force",
    )


def of_kubelet(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Leaves a static pod: the API shows it, but cannot stop it."""
    del lookup
    return Ruling(Treatment.LEAVE, "a static pod of the kubelet") if pod.mirror else None


def local_data(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Handles a pod with emptyDir volumes, whose content is lost with the pod."""
    if not pod.empty_dirs or pod.is_finished or pod.stops_by:
        return None
    data = f"the content of its emptyDir {', '.join(pod.empty_dirs)}"
    if lookup.options.delete_emptydir_data:
        return Ruling(Treatment.EVICT_FOR_GOOD, f"{data} is lost")
    return Ruling(
        Treatment.BLOCKED,
        f"{data} would be lost",
        "allow it with --delete-emptydir-data",
    )


def unreplicated(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Handles a pod that no controller recreates elsewhere."""
    if pod.controller or pod.is_finished or pod.stops_by:
        return None
    if lookup.options.force:
        return Ruling(Treatment.EVICT_FOR_GOOD, "no controller brings it back")
    return Ruling(Treatment.BLOCKED, "no controller brings it back", "delete it, or allow it with --force")
