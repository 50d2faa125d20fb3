"""Nodes: what the machine itself says over SSH, and what the API says of it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tasks.core.models.base import Model, UtcTime

NODE_PATTERN = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
"""A name of the API's (RFC 1123)."""

NodeName = Annotated[str, StringConstraints(pattern=NODE_PATTERN)]


class PackageManager(StrEnum):
    """Who installs packages."""

    APT = "apt"
    DNF = "dnf"
    ZYPPER = "zypper"
    NONE = ""


class Packages(Model):
    """The packages of Kubernetes on a node, and what its repositories have."""

    manager: PackageManager = PackageManager.NONE
    installed: dict[str, str] = Field(default={}, description="package to its version, for example 1.36.3-1.1")
    held: tuple[str, ...] = Field(default=(), description="of those, the ones that are held back")
    repositories: dict[str, str] = Field(
        default={}, description="file to the minor version whose repository it names, for example 1.36"
    )
    candidates: dict[str, tuple[str, ...]] = Field(
        default={},
        description="of the target: package to the versions that can be installed once the repository is switched",
    )
    problem: str = Field(default="", description="why the repository of the target could not be asked")
    broken: tuple[str, ...] = Field(default=(), description="half-configured packages, as dpkg --audit names them")


class StaticPod(Model):
    """A static pod as its manifest has it."""

    name: str
    image: str

    @property
    def version(self) -> str:
        """Of its image's tag, without `v` and the packaging's suffix: 1.36.3, 3.6.8."""
        return self.image.rpartition(":")[2].removeprefix("v").partition("-")[0]


class NodeFacts(Model):
    """What one machine says of itself over SSH, at one moment."""

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
    fail_swap_on: bool | None = None
    active: dict[str, bool] = Field(
        default={}, description="unit (kubelet, and those of container runtimes) to whether it runs"
    )
    static_pods: tuple[StaticPod, ...] = ()
    certificates: dict[str, UtcTime] = Field(default={}, description="file below /etc/kubernetes to its expiry")
    cluster_ca: str = Field(default="", description="sha256 of the cluster's CA certificate")
    api_ready: str = Field(
        default="", description="HTTP status of its own API server's /readyz; empty when it has none"
    )
    api_version: str = Field(default="", description="that its own API server says, without v")
    ca_rotations: tuple[str, ...] = Field(default=(), description="authorities whose rotation has begun and not ended")
    jobs: tuple[str, ...] = Field(default=(), description="remote jobs of ours that run there now")

    @property
    def is_control_plane(self) -> bool:
        """Has the manifest of an API server."""
        return any(pod.name == "kube-apiserver" for pod in self.static_pods)

    @property
    def kubelet_in_use(self) -> str:
        """The version of its process; of the program where nothing runs that says one."""
        return self.kubelet_runs or self.kubelet

    def static_pod(self, name: str) -> StaticPod | None:
        """The static pod of that name, if there is a manifest of it."""
        return next((pod for pod in self.static_pods if pod.name == name), None)


class KubeNode(Model):
    """A node as the API has it."""

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
