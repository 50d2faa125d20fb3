"""Who is who in a cluster, from sources that a node cannot write alone: what its kubelet may serve as is judged by it."""

from pydantic import Field

from tasks.core.models.base import Model


class NodeIdentity(Model):
    """One node of the profile or of the API. Names are `DNS:x` and `IP:x`."""

    name: str
    address: str = Field(default="", description="the profile's, where no other node has the same one; else empty")
    known: bool = Field(default=False, description="the API has a Node of this name")
    control_plane: bool = Field(default=False, description="by a label that kubelets may not set (NodeRestriction)")
    reported: tuple[str, ...] = Field(
        default=(), description="status.addresses of its Node, which its own kubelet writes: never enough by itself"
    )


class Identities(Model):
    """All nodes, and all names that are somebody else's than a node's."""

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
        """The node of that name."""
        return next((one for one in self.nodes if one.name == name), None)
