"""Which nodes the lock of a cluster is held on."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.kubeadm import CONTROL_PLANE
from tasks.core.models.outside import name_of


def find_voters(
    handle: Cluster, nodes: Sequence[str], lost: Sequence[str], *, without_api: bool, patience: timedelta
) -> tuple[str, ...]:
    """The control plane nodes of the profile: by their manifests, else by the API.

    One that neither can tell counts as one of them. Where no control plane is found at all, there is none yet: the machines count.
    Where nobody answers and no machines are named, every node counts. `patience` is for an API that a run cannot be without.
    """
    if handle.profile.ssh is None or not handle.profile.nodes:
        return ()
    told = handle.who_is_control_plane()
    known = {name for name, is_one in told.items() if is_one is True}
    silent = {name for name, is_one in told.items() if isinstance(is_one, RunbookError)}
    if silent or (not known and handle.profile.kubernetes.kubeconfig):
        try:
            labelled = wait_for(lambda: _labelled(handle), timedelta() if without_api else patience)
            known, silent = known | (labelled & set(told)), set()
        except RunbookError:
            if not without_api:
                raise
    known = (known | (silent if known else set())) - set(lost)
    return tuple(sorted(known or nodes or silent - set(lost)))


def _labelled(handle: Cluster) -> set[str]:
    told = (outside.Node.read(one, name_of("node", one)).metadata for one in handle.kube.items("/api/v1/nodes"))
    return {one.name for one in told if CONTROL_PLANE in one.labels}
