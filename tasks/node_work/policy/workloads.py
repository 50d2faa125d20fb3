"""Which workloads of the cluster are worse than before, and which of them have to do with a node."""

from collections.abc import Iterable, Mapping, Sequence

from tasks.node_work.models.health import Before
from tasks.nodes.models.pods import Pod
from tasks.nodes.models.workloads import Workload


def what_got_worse(before: Sequence[Workload], now: Sequence[Workload]) -> dict[str, str]:
    """Workloads with fewer pods ready than before, as far as as many are still wanted; one that was deleted is not missed."""
    known = {name_of(one): one for one in before}
    return {
        name_of(one): f"{name_of(one)}: {one.ready} of {one.desired} pods are ready, before it were {was.ready}"
        for one in now
        if (was := known.get(name_of(one))) and one.ready < min(was.ready, one.desired)
    }


def what_concerns_node(
    worse: Mapping[str, str], before: Before, now: Sequence[Workload], here: Iterable[Pod]
) -> frozenset[str]:
    """Those of them that have to do with the node: a ready pod of theirs was on it, or one that is not ready is on it now.

    Of a DaemonSet only the pod on this very node counts. Nor does a workload that somebody has given other images since.
    """
    pods = list(here)
    images = {name_of(one): one.images for one in before.workloads}
    changed = {name_of(one) for one in now if one.images != images.get(name_of(one), one.images)}
    well = {workload_of(pod) for pod in pods if pod.ready}
    ours = {name for name in before.here if not (name.startswith("DaemonSet ") and name in well)} - changed
    ours |= {workload_of(pod) for pod in pods if not pod.ready and not pod.is_finished}
    return frozenset(ours & worse.keys())


def name_of(workload: Workload) -> str:
    """`Deployment shop/cart`."""
    return f"{workload.kind} {workload.name}"


def workload_of(pod: Pod) -> str:
    """The same of what makes a pod again; a ReplicaSet is named after its Deployment and the hash of its pods."""
    owner = pod.controller
    if owner is None:
        return ""
    suffix = f"-{pod.labels.get('pod-template-hash', '')}"
    if owner.kind == "ReplicaSet" and owner.name.endswith(suffix):
        return f"Deployment {pod.namespace}/{owner.name.removesuffix(suffix)}"
    return f"{owner.kind} {pod.namespace}/{owner.name}"
