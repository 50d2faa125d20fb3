"""Defines where etcd's members are, and how the worker may connect to them."""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.words import Host, HostName, NodePath, Port, SecretRef, UrlOfEtcd


class Route(StrEnum):
    """This is the route by which the worker reaches etcd's data."""

    DIRECT = "direct"
    """The worker uses gRPC with mTLS to the member's own address."""
    TUNNEL = "tunnel"
    """The worker uses gRPC with mTLS through SSH.

    It connects to the address at which the node itself reaches its member, with the node's own client certificate.
    """
    NODE = "node"
    """The node takes the snapshot and uploads it itself; the worker only sends the request through SSH."""


RouteChoice = Literal["auto", "direct", "tunnel", "node"]
"""These are the routes that an operator can choose; `auto` uses `direct` if it works, else `tunnel`."""


class EtcdOnNode(Model):
    """These settings define where a node itself reaches its member, and where it keeps a client certificate for it."""

    COVERED: ClassVar[Reasons] = {
        "address port server_name ca certificate key": "which member answers there; paths, never a secret"
    }

    address: Host
    port: Port
    server_name: Host = Field(description="a name in the member's certificate")
    ca: NodePath
    certificate: NodePath
    key: NodePath


class EtcdOverrides(Model):
    """These are the profile's own values for `EtcdOnNode`. They replace what the node's manifest or unit says."""

    COVERED: ClassVar[Reasons] = {
        "address port server_name ca certificate key": "which member answers there; paths, never a secret"
    }

    address: Host | None = Field(
        default=None,
        description=(
            "address at which the node reaches its member; default: loopback if --listen-client-urls has it, "
            "else its first host"
        ),
    )
    port: Port | None = Field(
        default=None, description="port at which the node reaches its member; default: the port of the same URL"
    )
    server_name: Host | None = Field(
        default=None, description="a name in the member's certificate; default: the host that the member advertises"
    )
    ca: NodePath | None = Field(default=None, description="path of the CA on the node; default: --trusted-ca-file")
    certificate: NodePath | None = Field(
        default=None,
        description=(
            "path of a client certificate on the node; default: kubeadm's healthcheck-client beside the CA, "
            "else the API server's --etcd-certfile, else the member's own"
        ),
    )
    key: NodePath | None = Field(
        default=None, description="path of its key on the node; default: the key that belongs to the certificate"
    )

    def over(self, other: "EtcdOverrides") -> "EtcdOverrides":
        """Returns these overrides, completed with the other ones where these have no value."""
        return EtcdOverrides.model_validate(other.model_dump(exclude_none=True) | self.model_dump(exclude_none=True))

    def with_found(self, found: EtcdOnNode | None) -> EtcdOnNode | None:
        """Returns the values found on the node, replaced by those that the profile gives.

        Returns None if one is missing.
        """
        known = (found.model_dump() if found else {}) | self.model_dump(exclude_none=True)
        if "address" in known:
            known.setdefault("server_name", known["address"])
        return EtcdOnNode.model_validate(known) if known.keys() == EtcdOnNode.model_fields.keys() else None


class EtcdEndpoint(Model):
    """This is a member's client URL, the node that it runs on (for the tunnel), and where that node reaches it."""

    url: UrlOfEtcd
    node: HostName | None = None
    on_node: EtcdOnNode | None = None


class EtcdMemberGiven(Model):
    """This is a member that the profile names."""

    COVERED: ClassVar[Reasons] = {"url node on_node": "which member it is"}

    url: UrlOfEtcd
    node: HostName | None = Field(default=None, description="name of an entry of `nodes`; required for the tunnel")
    on_node: EtcdOverrides | None = Field(
        default=None, description="how the node reaches this member; default: `etcd.on_node`"
    )


class EtcdClientFiles(Model):
    """This is the worker's own client certificate for etcd (the direct route)."""

    LEFT_OUT: ClassVar[Reasons] = {"ca certificate key": ACCESS}

    ca: SecretRef
    certificate: SecretRef
    key: SecretRef


class Etcd(Model):
    """This is the cluster's etcd: its members, and how the worker may connect to them."""

    COVERED: ClassVar[Reasons] = {"endpoints client on_node": "named field by field"}

    endpoints: tuple[EtcdMemberGiven, ...] = Field(
        default=(), description="members of etcd; default: read from the manifests on the control plane nodes"
    )
    client: EtcdClientFiles | None = Field(
        default=None,
        description="the worker's client certificate for the direct route; without it the worker uses the tunnel",
    )
    on_node: EtcdOverrides = EtcdOverrides()
