"""Holds the state of one node in a rotation, and the work on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.cert_rotation.models.rotation import OnNode, Phase, RotationRecord
from tasks.cert_rotation.policy.configuration import Lifetime, lifetime_of
from tasks.cert_rotation.policy.due import DueLeaves, due_copies, due_leaves, due_restarts, why_kubelet, why_pointed
from tasks.cert_rotation.policy.records import what_ended_since, what_has_changed
from tasks.cert_rotation.policy.san_changes import NameChange
from tasks.cert_rotation.policy.view import RotationView
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.models.etcd import Member


@dataclass(frozen=True)
class RotationState:
    """Describes a node and the work on it."""

    node: NodeCertificates
    left: OnNode
    kubelet: str
    """It says why the kubelet's client certificate must be signed again. It is empty if it need not be."""
    pointed: str = ""
    """It says why the kubelet's kubeconfig must name its certificate file. It is empty if it need not."""
    member: Member | None = None
    leaves: DueLeaves = field(default_factory=DueLeaves)
    restarts: Mapping[str, str] = field(default_factory=dict)
    """It maps each static pod to restart to the reason."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """It maps each kubeconfig to refresh to the reason."""
    lifetime: Lifetime = field(default_factory=Lifetime)
    void: tuple[str, ...] = ()
    """It lists what changed since an interrupted run wrote its record there. Such a record is not resumed."""

    @property
    def name(self) -> str:
        """Returns the name of the node in the profile."""
        return self.node.name

    @property
    def due(self) -> Mapping[str, str]:
        """Returns kubeadm's leaves to renew, with the reason."""
        return self.leaves.due

    @property
    def anew(self) -> Mapping[str, NameChange]:
        """Returns the due leaves whose names change."""
        return self.leaves.anew

    @property
    def begun(self) -> bool:
        """True if an interrupted run has changed something there, or was about to."""
        return self.left.record is not None

    @property
    def puts_back(self) -> bool:
        """True if a run was interrupted while it restored the previous files."""
        return bool(self.left.record and self.left.record.phase is Phase.PUTTING_BACK)

    @property
    def is_touched(self) -> bool:
        """True if there is work on this control plane node, apart from its kubelet."""
        return bool(self.due or self.restarts or self.copies or self.begun)

    @property
    def has_kubelet_step(self) -> bool:
        """True if there is work for the kubelet of this node."""
        return bool(self.kubelet or self.pointed)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """Returns the sort key of this node: nodes with interrupted work first, the etcd leader last."""
        leads = bool(self.member and self.member.status and self.member.status.is_leader)
        return (not self.begun, leads, self.name)


def control_plane_state(view: RotationView, node: NodeCertificates) -> RotationState:
    """Returns the state of a control plane node."""
    left = view.left_on(node.name)
    leaves, record = due_leaves(view, node, left), left.record
    wanted = dict.fromkeys(record.restarts, "an earlier run was about to") if record else {}
    signed = (*leaves.due, *(record.leaves if record else ()))
    return RotationState(
        node=node,
        left=left,
        kubelet=why_kubelet(view, node),
        pointed=why_pointed(view, node),
        member=view.member_on(node.name),
        leaves=leaves,
        restarts=wanted | due_restarts(node, leaves.due),
        copies=dict(due_copies(view, node, leaves.due)),
        lifetime=lifetime_of(node, signed, view.facts.configuration, view.now),
        void=_void(view, node, record) if record else (),
    )


def worker_state(view: RotationView, node: NodeCertificates) -> RotationState:
    """Returns the state of a node that has only a kubelet."""
    return RotationState(
        node=node,
        left=view.left_on(node.name),
        kubelet=why_kubelet(view, node),
        pointed=why_pointed(view, node),
    )


def _void(view: RotationView, node: NodeCertificates, record: RotationRecord) -> tuple[str, ...]:
    ended = what_ended_since(record, node, now=view.now, renew_before=view.options.renew_before)
    return (*what_has_changed(record, node), *ended)
