"""Observes the shape of a cluster once a run: each node by SSH, and the cluster-wide facts through the API."""

import threading
from collections.abc import Callable
from datetime import timedelta

from tasks.clients.kube import KubeClient
from tasks.clients.ssh import SshNode
from tasks.core.errors import NotYet
from tasks.core.models.profile import ClusterProfile
from tasks.core.models.shape import ClusterShape, NodeShape
from tasks.core.probes import cluster_shape, node_shape
from tasks.core.shell import script

LOOK_LIMIT = timedelta(seconds=20)
"""Limits how long one node may take to report where it keeps what; a node that hangs delays nobody longer."""

MOST_LOOKS = 4
"""Limits how often a node is queried for its shape.

The kubelet configuration may name another folder with more configuration. That one may name other manifests.
"""


class Shapes:
    """Holds what was observed of a cluster's nodes and of the whole cluster; a run calls `forget` when it starts."""

    def __init__(self, profile: ClusterProfile, node: Callable[[str], SshNode], kube: Callable[[], KubeClient]) -> None:
        self._profile, self._node, self._kube = profile, node, kube
        self._nodes: dict[str, NodeShape] = {}
        self._cluster: ClusterShape | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Discards all observations, so that the next call observes again."""
        with self._lock:
            self._nodes, self._cluster = {}, None

    @property
    def known(self) -> tuple[dict[str, NodeShape], ClusterShape | None]:
        """Returns what was observed since the run began, without any query."""
        with self._lock:
            return dict(sorted(self._nodes.items())), self._cluster

    def of_node(self, name: str, *, again: bool = False) -> NodeShape:
        """Returns the shape of a node.

        It raises if the node does not answer. The next call queries that node again.
        """
        known = None if again else self._nodes.get(name)
        if known is None:
            known = self._look(name)
            with self._lock:
                self._nodes[name] = known
        return known

    def of_cluster(self) -> ClusterShape:
        """Returns the shape of the whole cluster; it raises if the API does not answer."""
        if self._cluster is None:
            kube = self._kube()
            found = cluster_shape.parse(kube.find(cluster_shape.CONFIGURATION), kube.find(cluster_shape.DNS))
            with self._lock:
                self._cluster = found
        return self._cluster

    def _look(self, name: str) -> NodeShape:
        places = node_shape.places_at_first(self._profile.kubeadm.folder)
        for _ in range(MOST_LOOKS):
            look = script(__file__, "look_at_shape", parked=places.parked, **places.model_dump())
            printed = self._node(name).run(look, timeout=LOOK_LIMIT, sudo=True).stdout
            told = node_shape.places_told(printed, places)
            if told == places:
                return node_shape.parse(name, printed, places)
            places = told
        raise NotYet(
            f"{name}: its kubelet names other folders each time that it is asked ({places.config}, {places.manifests})",
            hint=f"compare `systemctl cat kubelet` on {name} with its configuration",
        )
