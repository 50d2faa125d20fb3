"""Models the shape of a cluster: where its nodes have what runbooks read and change, in the cluster's own terms.

Nothing here is a constant of this project. Manifests, flags, the kubelet's configuration and kubeadm-config
define the values. If one of them leaves a value out, the default is that of the program that reads it. A value
that was not found or could not be parsed is a `problem`.
"""

from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from tasks.core.models.base import Model


class Address(Model):
    """This is a host and a port; the host is a name, an IPv4 address or an IPv6 address without brackets."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """Returns the address as text: `10.0.0.1:6443`, or `[fd00::1]:6443`."""
        return f"{self.in_url}:{self.port}"

    @property
    def in_url(self) -> str:
        """Returns the host in the form that URLs use: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


class KeyPair(Model):
    """This is a certificate and its key, as files on the node."""

    certificate: PurePosixPath
    key: PurePosixPath


class Pod(Model):
    """This is a static pod of the control plane as its manifest defines it."""

    flags: dict[str, str] = Field(default={}, description="name without dashes to value; `true` for a flag without one")
    files: dict[str, PurePosixPath] = Field(
        default={}, description="flag to the path on the node, for each flag whose value is a path"
    )
    repeated: dict[str, tuple[str, ...]] = Field(
        default={}, description="flag to all of its values, on the node, for each flag that is given more than once"
    )
    serving_pairs: tuple[KeyPair, ...] = Field(default=(), description="of each --tls-sni-cert-key")
    pair_problems: tuple[str, ...] = Field(
        default=(), description="values of --tls-sni-cert-key that could not be parsed, with the reason"
    )
    image: str = ""
    kubeconfig: PurePosixPath | None = Field(
        default=None,
        description="by which it asks the API, on the node: clientConnection.kubeconfig of its --config, else --kubeconfig",
    )
    config_problem: str = Field(
        default="", description="why the kubeconfig that its --config names is not known; --kubeconfig is assumed then"
    )
    lease: str | None = Field(
        default=None,
        description="of a controller: namespace/name of the Lease by which it elects its leader; empty: it elects none; "
        "none: its --config, which may say it, could not be read",
    )
    parked: bool = Field(default=False, description="its manifest is out of the kubelet's way")

    def file(self, flag: str) -> str:
        """Returns the file on the node that a flag names, or an empty string if there is none."""
        return str(self.files.get(flag) or self.flags.get(flag, ""))

    def every(self, flag: str) -> tuple[str, ...]:
        """Returns the files that a flag names, on the node. The flag may be given several times."""
        return self.repeated.get(flag) or ((self.file(flag),) if self.file(flag) else ())


class KubeletShape(Model):
    """This is a node's kubelet. Its flags take precedence over its configuration, as in the kubelet itself."""

    config: PurePosixPath = Field(description="its KubeletConfiguration")
    kubeconfig: PurePosixPath
    pki: PurePosixPath = Field(description="--cert-dir: its own certificates")
    manifests: PurePosixPath = Field(description="staticPodPath; a link is followed")
    healthz: Address | None = Field(description="where it says that it is healthy; none: healthzPort is 0")
    address: Address = Field(description="where it serves logs and exec, as the node itself reaches it")
    drop_ins: tuple[str, ...] = Field(default=(), description="files of --config-dir, in the order in which they win")
    overrides: tuple[dict[str, Any], ...] = Field(
        default=(), description="what is laid over its KubeletConfiguration, one by one: drop-ins, and flags"
    )
    runtime_endpoint: str = Field(
        description="of the container runtime, for example unix:///run/containerd/containerd.sock"
    )
    cluster_domain: str = ""
    cluster_dns: tuple[str, ...] = ()
    client_ca: PurePosixPath | None = Field(default=None, description="clientCAFile: by which it checks its clients")
    serving_certificate: PurePosixPath | None = Field(
        default=None, description="tlsCertFile; none: its own, in its folder"
    )
    serving_key: PurePosixPath | None = Field(default=None, description="tlsPrivateKeyFile")
    asks_for_serving: bool = Field(
        default=False, description="serverTLSBootstrap: it asks the API for its serving certificate"
    )
    config_problem: str = Field(default="", description="why its KubeletConfiguration is not known")
    root: PurePosixPath | None = Field(default=None, description="--root-dir; None if its flags are not known")
    eviction_hard: dict[str, Any] = Field(
        default={}, description="of --eviction-hard or evictionHard, with the defaults that the kubelet itself adds"
    )
    eviction_problem: str = Field(default="", description="why `eviction_hard` is not known")


class EtcdShape(Model):
    """This is a member of etcd that runs as a static pod."""

    client: Address = Field(description="where the node itself reaches it: loopback, else the first that it listens at")
    peer: Address
    pod: Pod


class NodeShape(Model):
    """This is the shape of one node, observed once in each run."""

    name: str
    hostname: str = ""
    kubelet: KubeletShape
    parked: PurePosixPath = Field(
        description="where runbooks put manifests out of the kubelet's way: beside `manifests`"
    )
    pods: dict[str, Pod] = Field(
        default={}, description="static pods of the control plane, by the names of their files"
    )
    api_server: Address | None = Field(default=None, description="where the node itself reaches its API server")
    etcd: EtcdShape | None = None
    controller_manager: Address | None = Field(default=None, description="where it serves, on the node itself")
    scheduler: Address | None = Field(default=None, description="where it serves, on the node itself")
    problems: tuple[str, ...] = Field(default=(), description="what was not found or not understood, with the reason")

    @property
    def is_control_plane(self) -> bool:
        """Checks whether the node has an API server's manifest, even if an interrupted run has moved it away."""
        return "kube-apiserver" in self.pods

    @property
    def pki(self) -> PurePosixPath | None:
        """Returns kubeadm's certificatesDir: the folder of the API server's client CA.

        Returns None if it is not known.
        """
        ca = self.pods["kube-apiserver"].files.get("client-ca-file") if self.is_control_plane else None
        return ca.parent if ca else None


class ClusterShape(Model):
    """This is what holds for the whole cluster, according to kubeadm-config and the API."""

    dns_domain: str = "cluster.local"
    service_subnets: tuple[str, ...] = ()
    pod_subnets: tuple[str, ...] = ()
    dns_addresses: tuple[str, ...] = Field(default=(), description="cluster IPs of the Service kube-system/kube-dns")
    certificates_dir: PurePosixPath = PurePosixPath("/etc/kubernetes/pki")
    endpoint: str = Field(default="", description="controlPlaneEndpoint; empty where there is none")
    problems: tuple[str, ...] = Field(default=(), description="what was not found or not understood, with the reason")
