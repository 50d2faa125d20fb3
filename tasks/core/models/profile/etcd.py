"""Where etcd's members are, and how the worker may talk to them."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.words import HostName, NodePath, Port, SecretRef


class Route(StrEnum):
    """How the worker reaches etcd's data."""

    DIRECT = "direct"
    """gRPC with mTLS from the worker to the member's own address."""
    TUNNEL = "tunnel"
    """The same gRPC through SSH to the node's own 127.0.0.1:2379, with the node's own client certificate."""
    NODE = "node"
    """The node takes the snapshot and uploads it itself; the worker only asks, through SSH."""


RouteChoice = Literal["auto", "direct", "tunnel", "node"]
"""What an operator may ask for; `auto` takes `direct` where it works and `tunnel` where it does not."""


class EtcdOnNode(Model):
    """Where the node itself keeps a client certificate for etcd and listens on loopback (kubeadm's defaults)."""

    COVERED: ClassVar[Reasons] = {
        "address port server_name ca certificate key": "which member answers there; paths, never a secret"
    }

    address: HostName = "127.0.0.1"
    port: Port = 2379
    server_name: HostName = Field(default="localhost", description="a name that the member's certificate is for")
    ca: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/ca.crt")
    certificate: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.crt")
    key: NodePath = PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.key")


class EtcdEndpoint(Model):
    """A member's client URL, and the node it runs on (for the tunnel)."""

    COVERED: ClassVar[Reasons] = {"url node on_node": "which member it is"}

    url: Annotated[str, StringConstraints(pattern=r"^https://[^/@\s]+:\d+$")]
    node: HostName | None = Field(default=None, description="name of an entry of `nodes`; needed for the tunnel")
    on_node: EtcdOnNode | None = Field(default=None, description="default: that of `etcd`")


class EtcdClientFiles(Model):
    """The worker's own client certificate for etcd (the direct route)."""

    LEFT_OUT: ClassVar[Reasons] = {"ca certificate key": ACCESS}

    ca: SecretRef
    certificate: SecretRef
    key: SecretRef


class Etcd(Model):
    """The cluster's etcd: its members, and how the worker may talk to them."""

    COVERED: ClassVar[Reasons] = {"endpoints client on_node": "named field by field"}

    endpoints: tuple[EtcdEndpoint, ...] = Field(
        default=(), description="default: found on the nodes, in the manifests of the control plane"
    )
    client: EtcdClientFiles | None = Field(default=None, description="for the direct route; without it only the tunnel")
    on_node: EtcdOnNode = EtcdOnNode()
