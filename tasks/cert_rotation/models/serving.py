"""Holds the identities of nodes, from sources that a node cannot write alone.

They decide which names a node's kubelet may serve.
"""

from pydantic import Field

from tasks.core.models.base import Model


class NodeIdentity(Model):
    """Describes one node of the profile or the API. Names have the form `DNS:x` or `IP:x`."""

    name: str
    address: str = Field(default="", description="the profile's, where no other node has the same one; else empty")
    known: bool = Field(default=False, description="the API has a Node of this name")
    control_plane: bool = Field(default=False, description="by a label that kubelets may not set (NodeRestriction)")
    reported: tuple[str, ...] = Field(
        default=(), description="status.addresses of its Node, which its own kubelet writes: never enough by itself"
    )


class Identities(Model):
    """Lists all nodes, and all names that do not belong to a node."""

    nodes: tuple[NodeIdentity, ...] = ()
    reserved: dict[str, str] = Field(
        default={}, description="name to whose it is: the control plane endpoint, Services, load balancers"
    )
    api_names: dict[str, str] = Field(
        default={}, description="names of the API servers' certificate, which control plane nodes may have as their own"
    )
    services: tuple[str, ...] = Field(default=(), description="networks of Services")
    pods: dict[str, str] = Field(default={}, description="pod network to its node")

    def node(self, name: str) -> NodeIdentity | None:
        """Returns the node with this name, or None."""
        return next((one for one in self.nodes if one.name == name), None)
