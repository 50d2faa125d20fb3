"""Models an upgrade of a cluster: what was observed, what will be done in which order, and the result."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.core.models.approval import CAUTION, CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.plan import Plan
from tasks.core.models.report import Took
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.node_work.models.controllers import Controllers
from tasks.node_work.models.health import Symptom
from tasks.node_work.models.waves import Waves
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.workloads import Webhook, Workload
from tasks.upgrade.models.manifests import Addons, NodeManifests, SecretRead


class UpgradeOptions(Model):
    """This holds the choices of an operator. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "backup_age nodes chain approve_chain_at_once waves drain allow_patch_rollback allow_removed_apis allow_downtime etcd_image_tag keep_kubeadm_backups stable_for": CHOICE
    }

    backup_age: Duration = Field(
        default=timedelta(hours=1),
        gt=timedelta(0),
        description="greatest age of the verified backup; if none is younger, the run makes one",
    )
    nodes: tuple[str, ...] = Field(default=(), description="names of nodes; if empty, all nodes")
    chain: bool = Field(default=False, description="upgrade over several minor versions, one after the other")
    approve_chain_at_once: bool = Field(
        default=False,
        description=(
            "in mode approve, one approval covers all steps of a chain unless a later step is worse than what was shown"
        ),
    )
    waves: Waves = Field(default=Waves(), description="how many workers at once and how many may fail")
    drain: DrainOptions = Field(default=DrainOptions(), description="what a drain may do and how long it may take")
    allow_patch_rollback: bool = Field(
        default=False, description="allow an older patch release of the same minor version"
    )
    allow_removed_apis: bool = Field(
        default=False, description="upgrade although clients use APIs that the target has removed"
    )
    allow_downtime: bool = Field(
        default=False, description="upgrade the only control plane node; the API does not answer meanwhile"
    )
    etcd_image_tag: Annotated[str, StringConstraints(pattern=r"^$|^default$|^[0-9]+\.[0-9]+\.[0-9]+-[0-9]+$")] = Field(
        default="",
        description=(
            "pins etcd.local.imageTag in kubeadm-config, for example 3.6.16-0; `default` removes the pin and "
            "kubeadm uses its own; if empty, nothing changes"
        ),
    )
    keep_kubeadm_backups: int = Field(
        default=3,
        ge=1,
        le=100,
        description="how many of kubeadm's backups of manifests and etcd stay on each node, newest first",
    )
    stable_for: Duration = Field(
        default=timedelta(seconds=10), description="how long a node must stay healthy after its upgrade"
    )


class ApiFacts(Model):
    """This is what the API returns at one moment."""

    observed_at: UtcTime
    version: str = Field(description="of the API server that answered, without v")
    nodes: tuple[KubeNode, ...]
    kubeadm_version: str = Field(default="", description="kubernetesVersion of kubeadm-config, without v")
    etcd_image_tag: str = Field(default="", description="pinned in kubeadm-config; empty for kubeadm's own")
    kubelet_fail_cgroup_v1: bool | None = Field(
        default=None, description="failCgroupV1 of the configuration in kube-system/kubelet-config"
    )
    workloads: tuple[Workload, ...] = ()
    pods_not_ready: tuple[str, ...] = Field(default=(), description="of kube-system")
    unavailable_apis: dict[str, str] = Field(default={}, description="APIService to the reason")
    webhooks: tuple[Webhook, ...] = ()
    deprecated: dict[str, str] = Field(
        default={}, description="group/version/resource that is asked for, to the minor that removes it (1.38)"
    )
    forecasts: tuple[DrainForecast, ...] = ()


class ClusterFacts(Model):
    """This holds all the facts that an upgrade is planned from."""

    observed_at: UtcTime
    target: str = Field(description="version that the repositories were asked for")
    nodes: tuple[NodeFacts, ...] = Field(description="of the profile")
    api: ApiFacts
    etcd: EtcdFacts
    controllers: Controllers = Field(description="of all control plane nodes")
    manifests: tuple[NodeManifests, ...] = Field(description="of all nodes: of workers the kubelet's configuration")
    addons: Addons = Addons()
    secrets: tuple[SecretRead, ...] = Field(
        default=(), description="of each control plane node, whether its own API server reads a Secret"
    )
    symptoms: dict[str, tuple[Symptom, ...]] = Field(
        default={}, description="node to what its proof would find wrong now, before anything is done"
    )
    newest_patch: dict[str, str] = Field(
        default={}, description="minor (1.37) to the newest version of it that can be installed, for a chain"
    )
    gates: tuple[str, ...] = Field(default=(), description="what the site's own gates have against it now")
    history: dict[str, timedelta] = Field(
        default={}, description="node to how long its upgrade took, by earlier reports of the same cluster"
    )

    def node(self, name: str) -> NodeFacts | None:
        """Returns the facts of the node with that name, or `None`."""
        return next((node for node in self.nodes if node.name == name), None)


class NodeUpgrade(Model):
    """This is one node of the plan."""

    COVERED: ClassVar[Reasons] = {
        "name control_plane kubelet target needs_kubeadm needs_kubelet applies begun unfinished": WORK_ON_NODE
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "evicted": "names of pods change all the time; `evicts` has their controllers, and what is lost",
        "expected": "an estimate",
    }

    name: str
    control_plane: bool
    kubelet: str = Field(description="version before, without v")
    target: str
    needs_kubeadm: bool = Field(default=True, description="its control plane, or its kubelet's configuration, is older")
    needs_kubelet: bool = True
    applies: bool = Field(default=False, description="by `kubeadm upgrade apply`, which also moves kubeadm-config")
    begun: bool = Field(default=False, description="its upgrade is under way: this run resumes it")
    unfinished: str = Field(
        default="",
        description="what its kubeadm has to bring to the target although the node has it, for example kube-proxy",
    )
    evicted: tuple[str, ...] = Field(default=(), description="pods that the drain evicts")
    expected: timedelta | None = Field(default=None, description="by earlier reports; none when there are none")


class UpgradePlan(Plan):
    """This is the order of the nodes: control plane nodes one at a time, then workers in waves."""

    COVERED: ClassVar[Reasons] = {
        "version before hops control_plane waves left_behind": "what goes where, in which order",
        "etcd_before": "the upgrade may move etcd",
        "ignored": "an ignored preflight error is a check that nobody makes",
        "patches": "what kubeadm writes",
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "services_before": CAUTION,
        "addons addons_left_alone": "what is there has to be there afterwards",
    }

    version: str = Field(default="", description="target, without v")
    before: str = Field(default="", description="of the control plane, without v")
    hops: tuple[str, ...] = Field(default=(), description="versions of a chain, the target last")
    control_plane: tuple[NodeUpgrade, ...] = ()
    waves: tuple[tuple[NodeUpgrade, ...], ...] = ()
    left_behind: tuple[str, ...] = Field(
        default=(),
        description="control plane nodes that stay older: kubeadm moves CoreDNS and kube-proxy with the last",
    )
    etcd_before: str = ""
    services_before: dict[str, tuple[str, ...]] = Field(
        default={}, description="node to the Services that did not answer it before anything was done"
    )
    ignored: tuple[str, ...] = Field(default=(), description="kubeadm's preflight errors that the profile ignores")
    patches: dict[str, str] = Field(
        default={}, description="files of `upgrade.patches` on the control plane nodes, to the sha256 of their content"
    )
    addons: tuple[str, ...] = Field(default=(), description="of CoreDNS and kube-proxy, those that kubeadm upgrades")
    addons_left_alone: tuple[str, ...] = Field(default=(), description="and those that it leaves to somebody else")

    @property
    def nodes(self) -> tuple[NodeUpgrade, ...]:
        """Returns all nodes of the plan, in order."""
        return (*self.control_plane, *(node for wave in self.waves for node in wave))

    def was_announced_by(self, approved: Plan) -> bool:
        """Returns True if this plan is the next step of the approved chain, to exactly the versions that it listed."""
        rest = approved.hops[1:] if isinstance(approved, UpgradePlan) else ()
        return bool(rest) and rest == (self.hops or (self.version,))


class Staged(Model):
    """This names the packages and images of the target that are on all nodes."""

    version: str
    nodes: tuple[str, ...]
    images: tuple[str, ...] = Field(description="that kubeadm of the target wants")


class Orders(Model):
    """This holds what the upgrade of each node receives."""

    staged: Staged
    options: UpgradeOptions
    run_id: str
    patches: dict[str, str] = Field(default={}, description="those of the plan: name to the sha256 of the content")


class NodeUpgraded(Model):
    """This is the result for one node."""

    node: str
    before: str = Field(description="kubelet, without v")
    after: str
    evicted: tuple[str, ...] = ()
    waited_for: tuple[str, ...] = ()
    leader_moved_to: str = ""
    stays_cordoned: bool = Field(default=False, description="somebody had cordoned it before the run")
    noticed: tuple[str, ...] = Field(default=(), description="what is wrong, as it was before: no reason to fail")
    parts: tuple[Took, ...] = ()
    took: timedelta


class WaveUpgraded(Model):
    """This is the result for the workers of a wave."""

    nodes: tuple[NodeUpgraded, ...]
    failed: dict[str, str] = Field(default={}, description="node to the reason; at most max_failed")


class Upgraded(Model):
    """This is the proof at the end of an upgrade."""

    version: str
    nodes: dict[str, str] = Field(description="node to kubelet's version")
    etcd: dict[str, str] = Field(description="member to its version")
    addons: tuple[str, ...] = Field(description="images of CoreDNS and kube-proxy, rolled out")
    service_paths: tuple[str, ...] = Field(description="nodes from which the ClusterIPs answer")


class Trimmed(Model):
    """This names what was removed at the end of an upgrade."""

    copies: dict[str, tuple[str, ...]] = Field(description="node to kubeadm's copies from before older upgrades")
