"""A node of the profile, seen from all sides: what a run that disturbs nodes knows of each."""

from dataclasses import dataclass

from tasks.core.models.etcd import Member
from tasks.nodes.models.nodes import KubeNode, NodeFacts


@dataclass(frozen=True)
class ProfileNode:
    """What its machine says, what the API has of it, and its member of etcd."""

    machine: NodeFacts
    kube: KubeNode | None
    member: Member | None
    selected: bool
    """It is one of those that this run may touch."""
    begun: bool
    """A run of this kind is under way on it."""

    @property
    def name(self) -> str:
        """As the profile and the API have it."""
        return self.machine.name

    @property
    def is_control_plane(self) -> bool:
        """By its manifests, or by its role."""
        return self.machine.is_control_plane or bool(self.kube and self.kube.control_plane)

    @property
    def leads(self) -> bool:
        """Its member of etcd is the leader."""
        return bool(self.member and self.member.status and self.member.status.is_leader)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """What is under way first, the leader of etcd last, the others by name."""
        return (not self.begun, self.leads, self.name)
