"""Compares what kubeadm would write on each node and in the cluster with what is there.

This is done before an upgrade and right before each act.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused
from tasks.core.models import outside
from tasks.core.probes.addresses import is_ip
from tasks.nodes.probes import api_facts
from tasks.upgrade.models.manifests import Addons, NodeManifests, SecretRead, StaticManifest
from tasks.upgrade.models.upgrade import NodeUpgrade
from tasks.upgrade.probes import addons, manifests, rendering
from tasks.upgrade.secret import read_a_secret

SYSTEM = "/api/v1/namespaces/kube-system"
CONFIGURATION = f"{SYSTEM}/configmaps/kubeadm-config"

RENDER_LIMIT = timedelta(seconds=90)
"""Limits the time to read the files of a node, and the time for kubeadm to render its own."""


def look_at_manifests(handle: Cluster, names: Sequence[str], target: str) -> tuple[NodeManifests, ...]:
    """Returns the manifests of all these nodes, read in parallel, with what kubeadm would write instead.

    A node that does not answer becomes a fact.
    """
    told = _cluster_told(handle)
    return tuple(on_all(lambda name: _NodeLook(handle, name, target).compared(told), names))


def look_at_addons(handle: Cluster, name: str, target: str) -> Addons:
    """Returns the objects of kube-proxy and CoreDNS, and what the kubeadm of this node would write instead.

    The node is a control plane node.
    """
    try:
        rendered = _NodeLook(handle, name, target).rendered(_cluster_told(handle), addons=True)
        problem, written = manifests.problem_in(rendered), addons.written_by(rendered)
    except (NotYet, Refused, ValueError) as error:
        problem, written = str(error), {}
    if problem:
        return Addons(problem=f"{name}: {problem}")
    return Addons(objects=tuple(_compared(handle, one, written.get((one.kind, one.name))) for one in addons.OBJECTS))


def _compared(handle: Cluster, one: addons.AddonObject, written: dict[str, Any] | None) -> StaticManifest:
    """Compares an addon object with what kubeadm would write.

    A dry-run replacement adds the API's own defaults. An addon without its ConfigMap is left alone by kubeadm.
    """
    kube = handle.kube
    try:
        found = kube.find(one.path)
        if written is None or kube.find(f"{addons.CORE}/configmaps/{one.unless}") is None:
            return addons.compared(one, found, None)
        if found is None:
            return addons.compared(one, None, written)
        return addons.compared(one, found, kube.try_replace(one.path, addons.instead_of(found, written)))
    except (NotYet, Refused) as error:
        return StaticManifest(component=one.called, problem=error.problem)


def _cluster_told(handle: Cluster) -> rendering.ClusterTold:
    """Returns the ConfigMaps that kubeadm reads. A missing one is empty."""
    kube = handle.kube
    return rendering.ClusterTold(
        cluster=api_facts.cluster_configuration(kube.find(CONFIGURATION)),
        kubelet=_text(kube.find(f"{SYSTEM}/configmaps/kubelet-config"), "kubelet"),
        proxy=_text(kube.find(addons.PROXY_CONFIG.path), "config.conf"),
    )


def _text(found: dict[str, Any] | None, key: str) -> str:
    return str(outside.ConfigMap.read(found, outside.name_of("ConfigMap", found)).data.get(key, "")) if found else ""


class NodeLooks:
    """This observes one node before and after its kubeadm runs."""

    def __init__(self, handle: Cluster, node: NodeUpgrade) -> None:
        self._handle, self._node = handle, node

    def before(self) -> NodeManifests:
        """Returns what kubeadm would write, beside what is there."""
        (seen,) = look_at_manifests(self._handle, [self._node.name], self._node.target)
        return seen

    def after(self) -> NodeManifests:
        """Returns what is there after kubeadm."""
        return _NodeLook(self._handle, self._node.name, self._node.target).found()

    def secret(self, read_before: SecretRead | None = None) -> SecretRead:
        """Reads a Secret through the node's own API server. It is the same Secret as before, if one was read then."""
        return read_a_secret(self._handle, self._node.name, read_before.secret if read_before else "")


class _NodeLook:
    """This observes what one node has, and what its kubeadm writes."""

    def __init__(self, handle: Cluster, name: str, target: str) -> None:
        self._handle, self._name = handle, name
        self._patches = handle.profile.upgrade.patches
        self._question = manifests.look(self._patches, target)

    def found(self) -> NodeManifests:
        """Returns only what is there."""
        return self._compared(lambda looked, control_plane: (b"", "what kubeadm would write was not asked for"))  # noqa: ARG005

    def compared(self, told: rendering.ClusterTold) -> NodeManifests:
        """Returns what is there beside what kubeadm would write.

        If one of the two is not known, it returns the reason.
        """

        def render(looked: bytes, control_plane: bool) -> tuple[bytes, str]:  # noqa: FBT001 - the same call as above
            try:
                return self._render(looked, told, control_plane=control_plane), ""
            except ValueError as error:
                return b"", str(error)

        return self._compared(render)

    def _compared(self, render: Callable[[bytes, bool], tuple[bytes, str]]) -> NodeManifests:
        try:
            looked, control_plane = self._looked()
            rendered, problem = render(looked, control_plane)
            kubelet = self._handle.shape(self._name).kubelet
            seen = manifests.compared(
                self._name,
                looked,
                rendered,
                control_plane=control_plane,
                problem=problem,
                overrides=kubelet.overrides,
            )
        except (NotYet, Refused) as error:
            return NodeManifests(node=self._name, unread=str(error))
        return seen.model_copy(update={"read_from": str(kubelet.manifests), "configured_by": str(kubelet.config)})

    def rendered(self, told: rendering.ClusterTold, *, addons: bool) -> bytes:
        """Returns what kubeadm prints. It raises an error if kubeadm cannot be asked."""
        looked, control_plane = self._looked()
        return self._render(looked, told, control_plane=control_plane, addons=addons)

    def _looked(self) -> tuple[bytes, bool]:
        looked = self._handle.shell(self._name).ask(self._question, limit=RENDER_LIMIT)
        return looked, self._name in self._handle.control_planes

    def _render(
        self, looked: bytes, told: rendering.ClusterTold, *, control_plane: bool, addons: bool = False
    ) -> bytes:
        patches = self._patches if manifests.has_patches(looked) else None
        given = rendering.configuration_for(self._told(control_plane=control_plane), looked, told, patches)
        script = rendering.render(looked, control_plane=control_plane, addons=addons)
        return self._handle.shell(self._name).ask(script, stdin=given.encode(), limit=RENDER_LIMIT)

    def _told(self, *, control_plane: bool) -> rendering.NodeTold:
        raw = self._handle.kube.find(f"/api/v1/nodes/{self._name}")
        node = api_facts.parse_node(raw, None) if raw else None
        return rendering.NodeTold(
            name=self._name,
            control_plane=control_plane,
            address=next(filter(is_ip, node.addresses if node else ()), ""),
            socket=node.annotations.get(rendering.CRI_SOCKET, "") if node else "",
            endpoint=self._handle.shape(self._name).kubelet.runtime_endpoint,
        )
