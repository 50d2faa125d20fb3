"""Finds the nodes that hold the lock of a cluster."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.kubeadm import API_SERVER, CONTROL_PLANE
from tasks.core.models.outside import name_of

PODS = "/api/v1/namespaces/kube-system/pods"


def find_voters(
    handle: Cluster, nodes: Sequence[str], lost: Sequence[str], *, without_api: bool, patience: timedelta
) -> tuple[str, ...]:
    """Returns the control plane nodes of the profile: by their manifests, or else by the API.

    A node that neither can identify counts as one of them. If no control plane exists yet, `nodes` count. If nobody
    answers and `nodes` is empty, every node counts. `patience` limits the wait for an API that a run needs.
    """
    if handle.profile.ssh is None or not handle.profile.nodes:
        return ()
    told = handle.who_is_control_plane()
    known = {name for name, is_one in told.items() if is_one is True}
    silent = {name for name, is_one in told.items() if isinstance(is_one, RunbookError)}
    if silent or (not known and handle.profile.kubernetes.kubeconfig):
        try:
            limit, what = timedelta() if without_api else patience, "the API to name the control plane nodes"
            told_by_api = wait_for(lambda: _told_by_api(handle), limit, what=what, about=handle.profile.name)
            known, silent = known | (told_by_api & set(told)), set()
        except RunbookError:
            if not without_api:
                raise
    known = (known | (silent if known else set())) - set(lost)
    return tuple(sorted(known or nodes or silent - set(lost)))


def _told_by_api(handle: Cluster) -> set[str]:
    """Returns the control plane nodes by their label, and by the mirror pods of their API servers.

    People may remove the label. kubeadm labels the mirror pods.
    """
    told = (outside.Node.read(one, name_of("node", one)).metadata for one in handle.kube.items("/api/v1/nodes"))
    mirrors = handle.kube.items(PODS, labelSelector=f"component={API_SERVER}")
    pods = (outside.Pod.read(one, name_of("pod", one)) for one in mirrors)
    return {one.name for one in told if CONTROL_PLANE in one.labels} | {pod.spec.node_name for pod in pods}
