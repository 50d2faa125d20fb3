"""Decides which workloads of the cluster are worse than before, and which of them concern a node."""

from collections.abc import Iterable, Mapping, Sequence

from tasks.node_work.models.health import Before
from tasks.nodes.models.pods import Pod
from tasks.nodes.models.workloads import Workload


def what_got_worse(before: Sequence[Workload], now: Sequence[Workload]) -> dict[str, str]:
    """Returns the workloads that have fewer ready pods than before.

    A lower count is fine if fewer pods are wanted now. A deleted workload is ignored.
    """
    known = {name_of(one): one for one in before}
    return {
        name_of(one): f"{name_of(one)}: {one.ready} of {one.desired} pods are ready, before the change: {was.ready}"
        for one in now
        if (was := known.get(name_of(one))) and one.ready < min(was.ready, one.desired)
    }


def what_concerns_node(
    worse: Mapping[str, str], before: Before, now: Sequence[Workload], here: Iterable[Pod]
) -> frozenset[str]:
    """Returns the worse workloads that concern the node.

    Either a ready pod of the workload was on the node, or a pod that is not ready is on it now. For a
    DaemonSet, only the pod on this node counts. A workload whose images changed since does not count for its
    earlier pods.
    """
    pods = list(here)
    images = {name_of(one): one.images for one in before.workloads}
    changed = {name_of(one) for one in now if one.images != images.get(name_of(one), one.images)}
    well = {workload_of(pod) for pod in pods if pod.ready}
    ours = {name for name in before.here if not (name.startswith("DaemonSet ") and name in well)} - changed
    ours |= {workload_of(pod) for pod in pods if not pod.ready and not pod.is_finished}
    return frozenset(ours & worse.keys())


def name_of(workload: Workload) -> str:
    """Returns the name of a workload, such as `Deployment shop/cart`."""
    return f"{workload.kind} {workload.name}"


def workload_of(pod: Pod) -> str:
    """Returns the same name for the controller that replaces a pod.

    A ReplicaSet carries the name of its Deployment and the hash of its pods. It is empty for a pod without a
    controller.
    """
    owner = pod.controller
    if owner is None:
        return ""
    suffix = f"-{pod.labels.get('pod-template-hash', '')}"
    if owner.kind == "ReplicaSet" and owner.name.endswith(suffix):
        return f"Deployment {pod.namespace}/{owner.name.removesuffix(suffix)}"
    return f"{owner.kind} {pod.namespace}/{owner.name}"
