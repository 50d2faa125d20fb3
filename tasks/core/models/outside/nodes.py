"""Models nodes, node selectors, and the Leases of nodes and of leader election."""

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Condition, Metadata, Notes, Requirement


class Taint(Outside):
    """This is a taint of a node."""

    key: str
    value: str = ""
    effect: str = ""


class NodeSpec(Outside):
    """This is the desired state of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()
    pod_cidrs: tuple[str, ...] = Field(default=(), alias="podCIDRs")


class NodeAddress(Outside):
    """This is one address of a node."""

    type: str = ""
    address: str


class NodeInfo(Outside):
    """This is what the kubelet reports about its node's software and boot."""

    kubelet_version: str = ""
    container_runtime_version: str = ""
    boot_id: str = Field(default="", alias="bootID")
    operating_system: str = ""
    architecture: str = ""


class NodeStatus(Outside):
    """This is the status that a node's kubelet reports."""

    conditions: tuple[Condition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    node_info: NodeInfo = NodeInfo()
    allocatable: dict[str, int | str] = Field(default={})


class Node(Outside):
    """This is a v1 Node."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(Outside):
    """This is the spec of a node's Lease."""

    renew_time: UtcTime | None = None


class Lease(Outside):
    """This is a coordination.k8s.io/v1 Lease as kubelets renew it."""

    metadata: Metadata
    spec: LeaseSpec = LeaseSpec()


class HeldSpec(Outside):
    """This is the spec of a Lease that one of several candidates holds.

    Its times are compared only with each other.
    """

    holder_identity: str = ""
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0
    lease_duration_seconds: int = 0


class HeldLease(Outside):
    """This is a coordination.k8s.io/v1 Lease as leader election uses it."""

    metadata: Notes = Notes()
    spec: HeldSpec = HeldSpec()


class NodeSelectorTerm(Outside):
    """This is one term of a NodeSelector."""

    match_expressions: tuple[Requirement, ...] = ()
    match_fields: tuple[Requirement, ...] = ()


class NodeSelector(Outside):
    """This is the NodeSelector of a pod's affinity or of a volume."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()
