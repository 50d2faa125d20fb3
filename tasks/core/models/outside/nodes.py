"""Nodes, which of them something is for, and the Leases of nodes and of leaders."""

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata, Notes, Requirement


class Taint(Outside):
    """Of a node."""

    key: str
    value: str = ""
    effect: str = ""


class NodeSpec(Outside):
    """What somebody wants of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    pod_cidrs: tuple[str, ...] = Field(default=(), alias="podCIDRs")


class NodeAddress(Outside):
    """One of a node's."""

    address: str


class NodeInfo(Outside):
    """What the kubelet says of its machine."""

    kubelet_version: str = ""
    container_runtime_version: str = ""
    boot_id: str = Field(default="", alias="bootID")


class NodeStatus(Outside):
    """What a node's kubelet reports."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()


class Node(Outside):
    """v1 Node."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(Outside):
    """Of a node's lease."""

    renew_time: UtcTime | None = None


class Lease(Outside):
    """coordination.k8s.io/v1 Lease, as kubelets renew it."""

    metadata: Metadata
    spec: LeaseSpec = LeaseSpec()


class HeldSpec(Outside):
    """Of a lease that one of several holds; its times are only compared with themselves."""

    holder_identity: str = ""
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0
    lease_duration_seconds: int = 0


class HeldLease(Outside):
    """coordination.k8s.io/v1 Lease, as leader election has it."""

    metadata: Notes = Notes()
    spec: HeldSpec = HeldSpec()


class NodeSelectorTerm(Outside):
    """Of a NodeSelector."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class NodeSelector(Outside):
    """Of a pod's affinity, or of a volume."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()
