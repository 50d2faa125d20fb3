"""A good cluster of three control planes and two workers on v1.36.3, for tests of the upgrade's decisions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.core.models.etcd import EtcdFacts, Member
from tasks.drain.models import DrainForecast, Treatment, Verdict
from tasks.node_work.models.controllers import COMPONENTS, Controllers, Instance
from tasks.nodes.models.nodes import KubeNode, NodeFacts, PackageManager, Packages, StaticPod
from tasks.nodes.models.workloads import Workload
from tasks.upgrade.models.manifests import NodeManifests, PodShape, SecretRead, StaticManifest
from tasks.upgrade.models.upgrade import ApiFacts, ClusterFacts
from tests.facts import etcd as etcd_facts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GIB = 2**30
OLD, NEW = "1.36.3", "1.37.2"
CONTROL_PLANES = ("cp1", "cp2", "cp3")
WORKERS = ("w1", "w2")
ALL = (*CONTROL_PLANES, *WORKERS)
LEADER = "cp2"
PROGRAMS = ("kubeadm", "kubelet", "kubectl")

Changes = Mapping[str, Any]


def packages(installed: str = OLD, **changes: object) -> Packages:
    """By apt, held back, with the target's repository reachable."""
    good: dict[str, Any] = {
        "manager": PackageManager.APT,
        "installed": dict.fromkeys(PROGRAMS, f"{installed}-1.1"),
        "held": PROGRAMS,
        "repositories": {"/etc/apt/sources.list.d/kubernetes.list": "1.36"},
        "candidates": dict.fromkeys(PROGRAMS, ("1.37.2-1.1", "1.37.1-1.1", "1.37.0-1.1")),
    }
    return Packages.model_validate(good | changes)


def static_pods(version: str = OLD, etcd: str | None = None, without: str = "") -> tuple[StaticPod, ...]:
    """Of a control plane with its own member of etcd, of its version if none is given; `without` one of them."""
    etcd = ("3.7.0" if version == NEW else "3.6.16") if etcd is None else etcd
    parts = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    pods = [StaticPod(name=name, image=f"registry.k8s.io/{name}:v{version}") for name in parts]
    pods += [StaticPod(name="etcd", image=f"registry.k8s.io/etcd:{etcd}-0")] if etcd else []
    return tuple(pod for pod in pods if pod.name != without)


def machine(name: str, version: str = OLD, **changes: object) -> NodeFacts:
    """What the machine says: Debian 12, cgroup v2, containerd 2, nothing to complain about."""
    good: dict[str, Any] = {
        "name": name,
        "observed_at": NOW,
        "os": "debian",
        "os_version": "12",
        "cgroup_version": 2,
        "kubeadm": version,
        "kubelet": version,
        "kubectl": version,
        "containerd": "2.1.4",
        "packages": packages(version),
        "free_bytes": {"/var/lib": 20 * GIB, "/etc/kubernetes": 20 * GIB},
        "kubelet_flags": ("config", "kubeconfig"),
        "flag_files": {"/var/lib/kubelet/kubeadm-flags.env": (), "/etc/default/kubelet": ()},
        "active": {"kubelet": True, "containerd": True},
        "certificates": {"/var/lib/kubelet/pki/kubelet-client-current.pem": NOW + timedelta(days=300)},
    }
    if name.startswith("cp"):
        good |= {
            "static_pods": static_pods(version),
            "etcd_bytes": 400 * 2**20,
            "api_ready": "200",
            "api_version": version,
        }
    return NodeFacts.model_validate(good | changes)


def kube_node(name: str, version: str = OLD, **changes: object) -> KubeNode:
    """What the API says of it: Ready, with a fresh heartbeat."""
    good: dict[str, Any] = {
        "name": name,
        "ready": True,
        "heartbeat": NOW - timedelta(seconds=5),
        "kubelet": version,
        "runtime": "containerd://2.1.4",
        "control_plane": name.startswith("cp"),
    }
    return KubeNode.model_validate(good | changes)


def workload(name: str, image: str = "", *, ready: int = 2, desired: int = 2, kind: str = "Deployment") -> Workload:
    """A controller, with all its pods."""
    return Workload(kind=kind, name=name, desired=desired, ready=ready, images=(image,) if image else ())


def kube_proxy(version: str = OLD) -> Workload:
    """The DaemonSet that kubeadm made."""
    image = f"registry.k8s.io/kube-proxy:v{version}"
    return workload("kube-system/kube-proxy", image, ready=5, desired=5, kind="DaemonSet")


def forecast(node: str, *pods: str, **changes: object) -> DrainForecast:
    """A drain that evicts these."""
    verdicts = tuple(Verdict(pod=pod, uid=pod, treatment=Treatment.EVICT) for pod in pods)
    return DrainForecast.model_validate({"node": node, "verdicts": verdicts} | changes)


def members(leader: str = LEADER, version: str = "3.6.16", **changes: Member) -> tuple[Member, ...]:
    """One on each control plane; by name another one."""
    return tuple(
        changes.get(name) or etcd_facts.member(name, is_leader=name == leader, version=version)
        for name in CONTROL_PLANES
    )


def controllers(*names: str, **problems: str) -> Controllers:
    """A scheduler and a controller manager on each node; by node what ails them. Nobody elects a leader."""
    told = dict.fromkeys(names, "") | problems
    return Controllers(
        instances=tuple(
            Instance(component=name, node=node, problem=told[node]) for node in sorted(told) for name in COMPONENTS
        )
    )


def manifest(component: str, found: PodShape | None = None, rendered: PodShape | None = None) -> StaticManifest:
    """As kubeadm writes it, unless it is told otherwise."""
    same = PodShape(flags={"tls-min-version": ("VersionTLS12",)})
    return StaticManifest(component=component, found=found or same, rendered=rendered or same)


def manifests(node: str, *changed: StaticManifest, **changes: object) -> NodeManifests:
    """All of a node; the `changed` ones instead of those of kubeadm."""
    good = {name: manifest(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")}
    good |= {one.component: one for one in changed}
    kubelet = good.pop("kubelet", None) or kubelet_of()
    folder = "/etc/kubernetes/manifests"
    told: dict[str, Any] = {
        "node": node,
        "manifests": tuple(good.values()) if node.startswith("cp") else (),
        "kubelet": kubelet,
        "written_to": folder,
        "read_from": folder,
        "configured_by": "/var/lib/kubelet/config.yaml",
    }
    return NodeManifests.model_validate(told | changes)


def kubelet_of(found: Mapping[str, str] | None = None, **rendered: str) -> StaticManifest:
    """A kubelet's configuration, as kubeadm writes it unless it is told otherwise."""
    same = {"cgroupDriver": "systemd"}
    return StaticManifest(
        component="kubelet", found=PodShape(settings=found or same), rendered=PodShape(settings=rendered or same)
    )


def cluster(
    *,
    machines: Mapping[str, Changes] | None = None,
    nodes: Mapping[str, Changes] | None = None,
    api: Changes | None = None,
    etcd: tuple[Member, ...] | None = None,
    names: tuple[str, ...] = ALL,
    **changes: object,
) -> ClusterFacts:
    """A good one; `machines` and `nodes` have changes of some, a `version` among them."""
    told, seen = machines or {}, nodes or {}
    good: dict[str, Any] = {
        "observed_at": NOW,
        "version": OLD,
        "nodes": tuple(kube_node(name, **seen.get(name, {})) for name in names),
        "kubeadm_version": OLD,
        "workloads": (workload("kube-system/coredns"), kube_proxy(), workload("shop/cart", ready=1)),
        "forecasts": tuple(forecast(name, f"shop/{name}-a", f"shop/{name}-b") for name in names),
    }
    facts: dict[str, Any] = {
        "observed_at": NOW,
        "target": NEW,
        "nodes": tuple(machine(name, **told.get(name, {})) for name in names),
        "api": ApiFacts.model_validate(good | dict(api or {})),
        "controllers": controllers(*(name for name in names if name.startswith("cp"))),
        "manifests": tuple(manifests(name) for name in names),
        "secrets": tuple(SecretRead(node=name, secret="shop/key") for name in names if name.startswith("cp")),
        "etcd": EtcdFacts(cluster_id="c1", observed_at=NOW, members=members() if etcd is None else etcd),
    }
    return ClusterFacts.model_validate(facts | changes)


def upgraded(*names: str, **changes: object) -> dict[str, Changes]:
    """Changes for nodes that have the target, for `machines` and for `nodes`."""
    return {name: {"version": NEW} | changes for name in names}
