"""Describes how far the upgrade of each node is, and which nodes this run takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from tasks.core.models.etcd import Member
from tasks.core.models.profile import UpgradeRules
from tasks.drain.models import CORDONED_BY, FAILED, REASON
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.policy.profile_nodes import ProfileNode
from tasks.nodes.policy.versions import EtcdVersion, KubernetesVersion, etcd_minor_of, minor_of_etcd
from tasks.run.models.records import UPGRADE_JOBS
from tasks.upgrade.models.upgrade import ClusterFacts, UpgradeOptions

RUNBOOK = "rolling_upgrade"
"""Names the runbook that appears in the reason of each cordon of an upgrade."""

PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Names the static pods of a control plane node that have the version of Kubernetes."""

KUBE_PROXY = "kube-system/kube-proxy"
ADDONS = ("kube-system/coredns", KUBE_PROXY)
"""Names what kubeadm upgrades with the last control plane node."""


@dataclass(frozen=True)
class NodeState(ProfileNode):
    """This is a node of the profile, and what it lacks.

    It is begun when it has parts of both versions, our cordon, or a job of ours.
    """

    needs_kubeadm: bool
    needs_kubelet: bool
    unfinished: str = ""
    """It says which part of the cluster the node's kubeadm must still bring to the target."""
    etcd_step: str = ""
    """It says from which to which version etcd moves on the node."""

    @property
    def is_pending(self) -> bool:
        """Returns True if the node has work to do if it is selected."""
        return self.needs_kubeadm or self.needs_kubelet or self.begun

    @property
    def is_due(self) -> bool:
        """Returns True if this run works on the node."""
        return self.selected and self.is_pending

    @property
    def kubelet_in_use(self) -> str:
        """Returns the version of the kubelet's process.

        It is what the process reports itself, else what it reported to the API.
        """
        return self.machine.kubelet_runs or (self.kube.kubelet if self.kube else "")

    @property
    def is_replaced(self) -> bool:
        """Returns True if the kubelet was installed again and not restarted.

        Then the running version is not the installed one.
        """
        return self.machine.kubelet not in {"", self.kubelet_in_use}

    @property
    def api_server(self) -> KubernetesVersion | None:
        """Returns the version of the node's own API server.

        It is what the server reports, else what its manifest says.
        """
        pod = self.machine.static_pod("kube-apiserver")
        return KubernetesVersion.observed(self.machine.api_version or (pod.version if pod else ""))

    @property
    def kubelet(self) -> KubernetesVersion | None:
        """Returns the version of the running kubelet, as the API has it."""
        return KubernetesVersion.observed(self.kube.kubelet) if self.kube else None


@dataclass(frozen=True)
class Scene:
    """This holds everything that the rules of an upgrade check."""

    facts: ClusterFacts
    target: KubernetesVersion
    last: KubernetesVersion
    """It holds the last version of a chain. It is the target if there is no chain."""
    options: UpgradeOptions
    rules: UpgradeRules
    now: datetime

    @cached_property
    def nodes(self) -> tuple[NodeState, ...]:
        """Returns the nodes of the profile, in its order."""
        states = tuple(self._state(machine) for machine in self.facts.nodes)
        unfinished = self._unfinished()
        if not unfinished or any(node.is_control_plane and node.is_pending for node in states):
            return states
        first = min((node.name for node in states if node.is_control_plane and node.selected), default="")
        return tuple(
            replace(node, needs_kubeadm=True, unfinished=unfinished) if node.name == first else node for node in states
        )

    @property
    def control_planes(self) -> tuple[NodeState, ...]:
        """Returns the control plane nodes in the order in which they are upgraded."""
        return tuple(sorted((node for node in self.nodes if node.is_control_plane), key=lambda node: node.order))

    @property
    def left_behind(self) -> tuple[NodeState, ...]:
        """Returns the control plane nodes that need the upgrade but are not selected."""
        return tuple(node for node in self.control_planes if node.needs_kubeadm and not node.selected)

    @property
    def workers(self) -> tuple[NodeState, ...]:
        """Returns the workers, sorted by name."""
        return tuple(sorted((node for node in self.nodes if not node.is_control_plane), key=lambda node: node.name))

    @property
    def due(self) -> tuple[NodeState, ...]:
        """Returns the nodes that this run works on."""
        return tuple(node for node in self.nodes if node.is_due)

    @property
    def drained(self) -> tuple[NodeState, ...]:
        """Returns the nodes whose pods will be evicted."""
        return tuple(node for node in self.due if node.needs_kubelet)

    @property
    def is_stacked(self) -> bool:
        """Returns True if the etcd members are static pods of the control plane nodes. Then kubeadm upgrades them."""
        return any(node.machine.static_pod("etcd") for node in self.nodes)

    @property
    def is_under_way(self) -> bool:
        """Returns True if the upgrade of some node was begun and is not finished."""
        return any(node.begun for node in self.nodes)

    @property
    def oldest_api_server(self) -> KubernetesVersion | None:
        """Returns the oldest version of the API servers. No kubelet of a worker may be newer."""
        return min((version for node in self.control_planes if (version := node.api_server)), default=None)

    def symptoms_of(self, node: NodeState) -> tuple[Symptom, ...]:
        """Returns what the node's proof would find wrong now."""
        return self.facts.symptoms.get(node.name, ())

    def node_of(self, member: Member) -> NodeState | None:
        """Returns the node that an etcd member runs on, or `None`."""
        return next((node for node in self.nodes if node.member is member), None)

    @property
    def etcd_tag(self) -> str:
        """Returns the tag that kubeadm-config will want instead of kubeadm's own etcd."""
        asked = self.options.etcd_image_tag
        return "" if asked == "default" else asked or self.facts.api.etcd_image_tag

    @cached_property
    def pinned_etcd(self) -> EtcdVersion | None:
        """Returns the version of that tag, or `None` if the tag is no version."""
        return EtcdVersion.observed(self.etcd_tag)

    def _etcd_step(self, machine: NodeFacts) -> str:
        """Returns how kubeadm moves etcd on the node.

        It moves etcd to the pinned version, else to its own, of which only the minor version is known here. It
        never moves etcd back.
        """
        pod = machine.static_pod("etcd")
        running = EtcdVersion.observed(pod.version) if pod else None
        if running is None:
            return ""
        if self.etcd_tag:
            pinned = self.pinned_etcd
            return f"etcd {running} to {pinned}" if pinned and running < pinned else ""
        own = etcd_minor_of(self.target)
        return f"etcd {running} to {own}" if own and minor_of_etcd(running) < minor_of_etcd(own) else ""

    def _state(self, machine: NodeFacts) -> NodeState:
        kube = kube_node(self.facts, machine.name)
        needs_kubelet = _needs_kubelet(machine, kube, self.target)
        control_plane = machine.is_control_plane or bool(kube and kube.control_plane)
        etcd_step = self._etcd_step(machine)
        behind = control_plane and (_is_behind(machine, self.target) or bool(etcd_step))
        ours = kube is not None and not kube.annotations.keys().isdisjoint({CORDONED_BY, FAILED})
        others = kube is not None and bool(cordon_of_another_runbook(kube))
        return NodeState(
            machine=machine,
            kube=kube,
            member=next((one for one in self.facts.etcd.members if machine.name in {one.node, one.name}), None),
            selected=not self.options.nodes or machine.name in self.options.nodes,
            needs_kubeadm=behind or needs_kubelet,
            needs_kubelet=needs_kubelet,
            begun=(ours and not others)
            or any(job.startswith(UPGRADE_JOBS) for job in machine.jobs)
            or _is_between(machine, self.target, needs_kubelet=needs_kubelet),
            etcd_step=etcd_step,
        )

    def _unfinished(self) -> str:
        """Returns what the cluster still lacks although the control plane nodes have it."""
        told = [("kubeadm-config", self.facts.api.kubeadm_version)]
        told += [("kube-proxy", version_of_image(image)) for image in kube_proxy_images(self.facts)]
        return next((f"{name} is at v{version}" for name, version in told if _is_other(version, self.target)), "")


def cordon_of_another_runbook(node: KubeNode) -> str:
    """Returns why another runbook of ours has a node out of service.

    It is empty when none has. Cordons of old runs have no reason.
    """
    reason = node.annotations.get(REASON, "")
    return reason if CORDONED_BY in node.annotations and RUNBOOK not in reason else ""


def kube_node(facts: ClusterFacts, name: str) -> KubeNode | None:
    """Returns the API's node with that name, or `None`."""
    return next((node for node in facts.api.nodes if node.name == name), None)


def versions_of_control_plane(facts: ClusterFacts) -> tuple[KubernetesVersion, ...]:
    """Returns the versions of every API server and of kubeadm-config, the oldest first."""
    told = [facts.api.kubeadm_version, facts.api.version]
    for node in facts.nodes:
        pod = node.static_pod("kube-apiserver")
        told += [node.api_version, pod.version if pod else ""]
    return tuple(sorted({version for text in told if (version := KubernetesVersion.observed(text))}))


def version_before(facts: ClusterFacts) -> KubernetesVersion | None:
    """Returns the oldest version of the control plane, or `None`."""
    return next(iter(versions_of_control_plane(facts)), None)


def newest_installable(nodes: Iterable[NodeFacts]) -> dict[str, str]:
    """Returns the newest installable version of each minor.

    Every node's repository must have kubeadm and kubelet of it.
    """
    found: set[KubernetesVersion] | None = None
    for node in nodes:
        for package in ("kubeadm", "kubelet"):
            versions = versions_in(node.packages.candidates.get(package, ()))
            found = versions if found is None else found & versions
    return {version.minor_name: version.bare for version in sorted(found or ())}


def versions_in(candidates: Sequence[str]) -> set[KubernetesVersion]:
    """Returns the versions of packages without their revision."""
    return {version for text in candidates if (version := KubernetesVersion.observed(text))}


def kube_proxy_images(facts: ClusterFacts) -> tuple[str, ...]:
    """Returns the images of kube-proxy. It is empty if something else does its work, or upgrades it."""
    if KUBE_PROXY in addons_left_alone(facts):
        return ()
    return tuple(image for one in facts.api.workloads if one.name == KUBE_PROXY for image in one.images)


def addons_left_alone(facts: ClusterFacts) -> tuple[str, ...]:
    """Returns which of CoreDNS and kube-proxy someone else installs and upgrades. For them kubeadm writes nothing."""
    left = {one.component.rpartition(" ")[2] for one in facts.addons.objects if one.found and not one.rendered}
    return tuple(name for name in ADDONS if name.rpartition("/")[2] in left)


def version_of_image(image: str) -> str:
    """Returns the tag of an image without v."""
    return image.rpartition(":")[2].removeprefix("v")


def _needs_kubelet(machine: NodeFacts, kube: KubeNode | None, target: KubernetesVersion) -> bool:
    """Returns True if the kubelet must be upgraded.

    Both the running and the installed version count: the API has the version of the process since its start.
    """
    installed = (machine.kubelet, machine.kubelet_runs)
    return kube is None or _is_not(kube.kubelet, target) or any(_is_other(text, target) for text in installed)


def _is_behind(machine: NodeFacts, target: KubernetesVersion) -> bool:
    """Returns True if some part of the node's control plane is not at the target.

    A part that does not answer counts too.
    """
    pods = (machine.static_pod(part) for part in PARTS)
    return _is_not(machine.api_version, target) or any(_is_not(pod.version if pod else "", target) for pod in pods)


def _is_between(machine: NodeFacts, target: KubernetesVersion, *, needs_kubelet: bool) -> bool:
    """Returns True if some parts of the node are at the target, and some are not."""
    parts = [pod.version for pod in machine.static_pods if pod.name in PARTS]
    reached = [KubernetesVersion.observed(text) == target for text in [*parts, machine.kubelet_in_use]]
    return any(reached) and (needs_kubelet or not all(reached))


def _is_not(text: str, target: KubernetesVersion) -> bool:
    return KubernetesVersion.observed(text) != target


def _is_other(text: str, target: KubernetesVersion) -> bool:
    """Returns True if the version is known and is not the target."""
    return KubernetesVersion.observed(text) not in {None, target}
