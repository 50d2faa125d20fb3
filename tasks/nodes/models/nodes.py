"""Defines nodes: what a node itself reports over SSH, and what the API reports about it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tasks.core.models.base import Model, UtcTime

NODE_PATTERN = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
"""This is the pattern of a node name in the API (RFC 1123)."""

NodeName = Annotated[str, StringConstraints(pattern=NODE_PATTERN)]


class PackageManager(StrEnum):
    """Names the program that installs packages on a node."""

    APT = "apt"
    DNF = "dnf"
    ZYPPER = "zypper"
    NONE = ""


class Packages(Model):
    """Describes the Kubernetes packages on a node, and what its repositories offer."""

    manager: PackageManager = PackageManager.NONE
    installed: dict[str, str] = Field(default={}, description="package to its version, for example 1.36.3-1.1")
    held: tuple[str, ...] = Field(default=(), description="of those, the ones that are held back")
    unknown: tuple[str, ...] = Field(
        default=(), description="what the package manager did not say of these, with its words"
    )
    repositories: dict[str, str] = Field(
        default={}, description="file to the newest minor version whose repository it names, for example 1.36"
    )
    candidates: dict[str, tuple[str, ...]] = Field(
        default={},
        description="of the target: package to the versions that can be installed once the repository is switched",
    )
    problem: str = Field(
        default="", description="why it is not known what the repositories of the target have: no answer, no index"
    )
    broken: tuple[str, ...] = Field(default=(), description="half-configured packages, as dpkg --audit names them")


class StaticPod(Model):
    """Describes a static pod as its manifest defines it."""

    name: str
    image: str

    @property
    def version(self) -> str:
        """Returns the version from the image tag, without `v` and the packaging suffix: 1.36.3, 3.6.8."""
        return self.image.rpartition(":")[2].removeprefix("v").partition("-")[0]


class NodeFacts(Model):
    """Holds what one node reports about itself over SSH at one moment."""

    name: str
    unreached: str = Field(default="", description="why nothing else is known: no connection, no login, no sudo")
    observed_at: UtcTime | None = None
    clock_offset: timedelta = Field(
        default=timedelta(), description="of the node against the worker, half a round trip"
    )
    boot_id: str = ""
    os: str = Field(default="", description="ID of /etc/os-release, for example debian")
    os_like: tuple[str, ...] = Field(default=(), description="ID_LIKE of it")
    os_version: str = ""
    kernel: str = ""
    cgroup_version: int = 0
    swap: bool = False
    kubeadm: str = Field(default="", description="version without v, for example 1.36.3; empty when it is not there")
    kubelet: str = Field(default="", description="of the program, which may be newer than what runs")
    kubectl: str = ""
    containerd: str = ""
    kubelet_runs: str = Field(
        default="", description="version of the process; empty when none runs, or it does not say it"
    )
    containerd_runs: str = Field(default="", description="the same of containerd")
    packages: Packages = Packages()
    free_bytes: dict[str, int] = Field(default={}, description="of /var/lib, /etc/kubernetes and the etcd directory")
    etcd_bytes: int = Field(default=0, description="of the etcd directory, of which kubeadm makes a copy")
    kubelet_flags: tuple[str, ...] = Field(
        default=(), description="names of the flags that the kubelet is started with"
    )
    flag_files: dict[str, tuple[str, ...]] = Field(default={}, description="file to the names of the flags in it")
    fail_cgroup_v1: bool | None = Field(default=None, description="of the kubelet's configuration; none: its default")
    fail_cgroup_v1_stays: bool | None = Field(
        default=None, description="the same where a drop-in or a flag says it, which kubeadm does not write"
    )
    fail_swap_on: bool | None = None
    doubles: dict[str, str] = Field(
        default={}, description="other files where its kubelet finds static pods, to the pod of the control plane in it"
    )
    active: dict[str, bool] = Field(
        default={}, description="unit (kubelet, and those of container runtimes) to whether it runs"
    )
    static_pods: tuple[StaticPod, ...] = ()
    certificates: dict[str, UtcTime] = Field(
        default={}, description="file of kubeadm's or of the kubelet's to its expiry"
    )
    unread: tuple[str, ...] = Field(
        default=(), description="certificates and configuration that are there and were not read, with the reason"
    )
    cluster_ca: str = Field(default="", description="sha256 of the cluster's CA certificate")
    api_ready: str = Field(
        default="", description="HTTP status of its own API server's /readyz; empty when it has none"
    )
    api_version: str = Field(default="", description="that its own API server says, without v")
    ca_rotations: tuple[str, ...] = Field(default=(), description="CAs whose rotation is not finished")
    jobs: tuple[str, ...] = Field(default=(), description="remote jobs of ours that run there now")

    @property
    def is_control_plane(self) -> bool:
        """True if the node has the manifest of an API server."""
        return any(pod.name == "kube-apiserver" for pod in self.static_pods)

    @property
    def kubelet_in_use(self) -> str:
        """Returns the version of the kubelet process.

        If no process reports a version, it is the version of the program.
        """
        return self.kubelet_runs or self.kubelet

    def static_pod(self, name: str) -> StaticPod | None:
        """Returns the static pod of that name, or None if it has no manifest."""
        return next((pod for pod in self.static_pods if pod.name == name), None)


class KubeNode(Model):
    """Describes a node as the API reports it."""

    name: str
    ready: bool
    ready_message: str = ""
    heartbeat: UtcTime | None = Field(default=None, description="the later of its lease and its Ready condition")
    cordoned: bool = False
    kubelet: str = Field(description="version without v")
    boot_id: str = ""
    runtime: str = Field(default="", description="for example containerd://2.1.4 or cri-o://1.36.0")
    addresses: tuple[str, ...] = ()
    control_plane: bool = False
    pressures: tuple[str, ...] = Field(default=(), description="conditions that must not be true and are")
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    taints: tuple[str, ...] = Field(default=(), description="key=value:effect")
