"""kubectl's filters: pods that a drain leaves, and pods that nothing would bring back, or whose data would be lost."""

from datetime import datetime

from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.policy.lookup import Lookup, Ruling
from tasks.nodes.models.pods import Pod


def is_overdue(pod: Pod, options: DrainOptions, now: datetime) -> bool:
    """It should have stopped so long ago that it is not waited for."""
    return bool(pod.stops_by and options.skip_deleting_after and now - pod.stops_by > options.skip_deleting_after)


def not_waited_for(pod: Pod, lookup: Lookup) -> Ruling | None:
    """It should have stopped long ago, and an option does not wait for such pods."""
    if is_overdue(pod, lookup.options, lookup.facts.observed_at):
        return Ruling(Treatment.LEAVE, f"it should have stopped by {pod.stops_by:%Y-%m-%dT%H:%M:%SZ}: not waited for")
    return None


def of_daemon_set(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Its DaemonSet would bring it back at once; one that is gone would not at all."""
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
        "delete it, or allow it with force of the drain's options",
    )


def of_kubelet(pod: Pod, lookup: Lookup) -> Ruling | None:
    """The API shows a static pod, and cannot stop it."""
    del lookup
    return Ruling(Treatment.LEAVE, "a static pod of the kubelet") if pod.mirror else None


def local_data(pod: Pod, lookup: Lookup) -> Ruling | None:
    """What is in its emptyDir volumes goes with it."""
    if not pod.empty_dirs or pod.is_finished or pod.stops_by:
        return None
    data = f"the content of its emptyDir {', '.join(pod.empty_dirs)}"
    if lookup.options.delete_emptydir_data:
        return Ruling(Treatment.EVICT_FOR_GOOD, f"{data} is lost")
    return Ruling(
        Treatment.BLOCKED,
        f"{data} would be lost",
        "allow it with delete_emptydir_data of the drain's options",
    )


def unreplicated(pod: Pod, lookup: Lookup) -> Ruling | None:
    """No controller makes another one elsewhere."""
    if pod.controller or pod.is_finished or pod.stops_by:
        return None
    if lookup.options.force:
        return Ruling(Treatment.EVICT_FOR_GOOD, "no controller brings it back")
    return Ruling(
        Treatment.BLOCKED, "no controller brings it back", "delete it, or allow it with force of the drain's options"
    )
