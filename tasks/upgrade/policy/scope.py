"""How far an upgrade is, node by node, and which nodes this run takes."""

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
"""In the reason of each cordon that an upgrade makes."""

PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Static pods of a control plane that have the version of Kubernetes."""

KUBE_PROXY = "kube-system/kube-proxy"
ADDONS = ("kube-system/coredns", KUBE_PROXY)
"""What kubeadm upgrades with the last control plane."""


@dataclass(frozen=True)
class NodeState(ProfileNode):
    """A node of the profile, and what it lacks. It is begun when it has parts of both versions, our cordon, or a job of ours."""

    needs_kubeadm: bool
    needs_kubelet: bool
    unfinished: str = ""
    """What of the cluster its kubeadm has to bring to the target yet."""
    etcd_step: str = ""
    """From which etcd to which it goes."""

    @property
    def is_pending(self) -> bool:
        """Something of it is to be done, were it selected."""
        return self.needs_kubeadm or self.needs_kubelet or self.begun

    @property
    def is_due(self) -> bool:
        """This run does it."""
        return self.selected and self.is_pending

    @property
    def kubelet_in_use(self) -> str:
        """The version of its kubelet's process: as that says itself, else as it told the API."""
        return self.machine.kubelet_runs or (self.kube.kubelet if self.kube else "")

    @property
    def is_replaced(self) -> bool:
        """Its kubelet was installed anew and not restarted: what runs is another version than what is there."""
        return self.machine.kubelet not in {"", self.kubelet_in_use}

    @property
    def api_server(self) -> KubernetesVersion | None:
        """The version of its own API server: what it says, else what its manifest says."""
        pod = self.machine.static_pod("kube-apiserver")
        return KubernetesVersion.observed(self.machine.api_version or (pod.version if pod else ""))

    @property
    def kubelet(self) -> KubernetesVersion | None:
        """The version of its running kubelet, as the API has it."""
        return KubernetesVersion.observed(self.kube.kubelet) if self.kube else None


@dataclass(frozen=True)
class Scene:
    """All that the rules of an upgrade look at."""

    facts: ClusterFacts
    target: KubernetesVersion
    last: KubernetesVersion
    """Where a chain ends; the target, when it is not one."""
    options: UpgradeOptions
    rules: UpgradeRules
    now: datetime

    @cached_property
    def nodes(self) -> tuple[NodeState, ...]:
        """Of the profile, in its order."""
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
        """In the order in which they are upgraded."""
        return tuple(sorted((node for node in self.nodes if node.is_control_plane), key=lambda node: node.order))

    @property
    def left_behind(self) -> tuple[NodeState, ...]:
        """Control plane nodes that would be upgraded, were they selected."""
        return tuple(node for node in self.control_planes if node.needs_kubeadm and not node.selected)

    @property
    def workers(self) -> tuple[NodeState, ...]:
        """By name."""
        return tuple(sorted((node for node in self.nodes if not node.is_control_plane), key=lambda node: node.name))

    @property
    def due(self) -> tuple[NodeState, ...]:
        """What this run does."""
        return tuple(node for node in self.nodes if node.is_due)

    @property
    def drained(self) -> tuple[NodeState, ...]:
        """Nodes whose pods will be evicted."""
        return tuple(node for node in self.due if node.needs_kubelet)

    @property
    def is_stacked(self) -> bool:
        """The members of etcd are static pods of the control plane: kubeadm upgrades them."""
        return any(node.machine.static_pod("etcd") for node in self.nodes)

    @property
    def is_under_way(self) -> bool:
        """Some node's upgrade was begun and is not ended."""
        return any(node.begun for node in self.nodes)

    @property
    def oldest_api_server(self) -> KubernetesVersion | None:
        """No kubelet of a worker may be newer."""
        return min((version for node in self.control_planes if (version := node.api_server)), default=None)

    def symptoms_of(self, node: NodeState) -> tuple[Symptom, ...]:
        """What its proof would find wrong now."""
        return self.facts.symptoms.get(node.name, ())

    def node_of(self, member: Member) -> NodeState | None:
        """The node that a member of etcd runs on."""
        return next((node for node in self.nodes if node.member is member), None)

    @property
    def etcd_tag(self) -> str:
        """What kubeadm-config will want instead of kubeadm's own etcd."""
        asked = self.options.etcd_image_tag
        return "" if asked == "default" else asked or self.facts.api.etcd_image_tag

    @cached_property
    def pinned_etcd(self) -> EtcdVersion | None:
        """The version of that tag, when it is one."""
        return EtcdVersion.observed(self.etcd_tag)

    def _etcd_step(self, machine: NodeFacts) -> str:
        """Kubeadm moves etcd to the pin, and else to its own, of which the minor is known here; never back."""
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
        """What the control plane nodes have and the cluster has not yet."""
        told = [("kubeadm-config", self.facts.api.kubeadm_version)]
        told += [("kube-proxy", version_of_image(image)) for image in kube_proxy_images(self.facts)]
        return next((f"{name} is at v{version}" for name, version in told if _is_other(version, self.target)), "")


def cordon_of_another_runbook(node: KubeNode) -> str:
    """Why another runbook of ours has a node out of service; empty when none has. Cordons of old runs have no reason."""
    reason = node.annotations.get(REASON, "")
    return reason if CORDONED_BY in node.annotations and RUNBOOK not in reason else ""


def kube_node(facts: ClusterFacts, name: str) -> KubeNode | None:
    """The API's node of that name."""
    return next((node for node in facts.api.nodes if node.name == name), None)


def versions_of_control_plane(facts: ClusterFacts) -> tuple[KubernetesVersion, ...]:
    """Of every API server, and of kubeadm-config: the oldest first."""
    told = [facts.api.kubeadm_version, facts.api.version]
    for node in facts.nodes:
        pod = node.static_pod("kube-apiserver")
        told += [node.api_version, pod.version if pod else ""]
    return tuple(sorted({version for text in told if (version := KubernetesVersion.observed(text))}))


def version_before(facts: ClusterFacts) -> KubernetesVersion | None:
    """The oldest of the control plane."""
    return next(iter(versions_of_control_plane(facts)), None)


def newest_installable(nodes: Iterable[NodeFacts]) -> dict[str, str]:
    """Of each minor, the newest version that every node's repository has kubeadm and kubelet of."""
    found: set[KubernetesVersion] | None = None
    for node in nodes:
        for package in ("kubeadm", "kubelet"):
            versions = versions_in(node.packages.candidates.get(package, ()))
            found = versions if found is None else found & versions
    return {version.minor_name: version.bare for version in sorted(found or ())}


def versions_in(candidates: Sequence[str]) -> set[KubernetesVersion]:
    """Versions of packages, without their revision."""
    return {version for text in candidates if (version := KubernetesVersion.observed(text))}


def kube_proxy_images(facts: ClusterFacts) -> tuple[str, ...]:
    """None where something else does its work."""
    return tuple(image for one in facts.api.workloads if one.name == KUBE_PROXY for image in one.images)


def version_of_image(image: str) -> str:
    """Its tag without v."""
    return image.rpartition(":")[2].removeprefix("v")


def _needs_kubelet(machine: NodeFacts, kube: KubeNode | None, target: KubernetesVersion) -> bool:
    """What runs counts, and what is installed: the API has the version of the process, as of its start."""
    installed = (machine.kubelet, machine.kubelet_runs)
    return kube is None or _is_not(kube.kubelet, target) or any(_is_other(text, target) for text in installed)


def _is_behind(machine: NodeFacts, target: KubernetesVersion) -> bool:
    """Some part of its control plane is not the target; also one that does not answer."""
    pods = (machine.static_pod(part) for part in PARTS)
    return _is_not(machine.api_version, target) or any(_is_not(pod.version if pod else "", target) for pod in pods)


def _is_between(machine: NodeFacts, target: KubernetesVersion, *, needs_kubelet: bool) -> bool:
    """Some of it is the target, and some is not."""
    parts = [pod.version for pod in machine.static_pods if pod.name in PARTS]
    reached = [KubernetesVersion.observed(text) == target for text in [*parts, machine.kubelet_in_use]]
    return any(reached) and (needs_kubelet or not all(reached))


def _is_not(text: str, target: KubernetesVersion) -> bool:
    return KubernetesVersion.observed(text) != target


def _is_other(text: str, target: KubernetesVersion) -> bool:
    """It is known, and it is not the target."""
    return KubernetesVersion.observed(text) not in {None, target}
