"""Decides if the quorum gate agrees if a node has no known member."""

from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.findings import Problem
from tasks.core.models.shape import NodeShape


def member_on(facts: EtcdFacts, name: str) -> Member | None:
    """Returns the etcd member on that node.

    A member without a node in the profile is found by its name, which kubeadm takes from the node.
    """
    by_node = next((one for one in facts.members if one.node == name), None)
    return by_node or next((one for one in facts.members if one.node is None and one.name == name), None)


def what_member_lacks(member: Member | None, shape: NodeShape) -> Problem | None:
    """Returns a problem if a node runs etcd but no member of it is known.

    Then quorum without the node cannot be counted.
    """
    if member or shape.etcd is None or shape.etcd.pod.parked:
        return None
    text = f"no member of etcd is known to be on {shape.name}, which has a manifest of one: quorum without it cannot be counted"
    return Problem(text=f"{text}; etcd.endpoints[].node of the profile says which one it is")
