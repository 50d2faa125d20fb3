"""Combines all that a run that disrupts nodes knows about each node of the profile."""

from dataclasses import dataclass

from tasks.core.models.etcd import Member
from tasks.nodes.models.nodes import KubeNode, NodeFacts


@dataclass(frozen=True)
class ProfileNode:
    """Combines what the node reports, what the API reports about it, and its etcd member."""

    machine: NodeFacts
    kube: KubeNode | None
    member: Member | None
    selected: bool
    """True if this run may change the node."""
    begun: bool
    """True if a run of this kind is in progress on the node."""

    @property
    def name(self) -> str:
        """Returns the name that the profile and the API use."""
        return self.machine.name

    @property
    def is_control_plane(self) -> bool:
        """True if the manifests or the role of the node say that it is a control plane node."""
        return self.machine.is_control_plane or bool(self.kube and self.kube.control_plane)

    @property
    def leads(self) -> bool:
        """True if the etcd member of the node is the leader."""
        return bool(self.member and self.member.status and self.member.status.is_leader)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """Sorts nodes with work in progress first and the etcd leader last, and all others by name."""
        return (not self.begun, self.leads, self.name)
