"""One node as a rotation sees it: what is to be done there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.cert_rotation.models.rotation import OnNode, Phase, RotationRecord
from tasks.cert_rotation.policy.configuration import Lifetime, lifetime_of
from tasks.cert_rotation.policy.due import DueLeaves, due_copies, due_leaves, due_restarts, why_kubelet
from tasks.cert_rotation.policy.records import what_ended_since, what_has_changed
from tasks.cert_rotation.policy.san_changes import NameChange
from tasks.cert_rotation.policy.view import RotationView
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.models.etcd import Member


@dataclass(frozen=True)
class RotationState:
    """A node, and what is to be done there."""

    node: NodeCertificates
    left: OnNode
    kubelet: str
    """Why the kubelet's client certificate is signed anew; empty when it is not."""
    member: Member | None = None
    leaves: DueLeaves = field(default_factory=DueLeaves)
    restarts: Mapping[str, str] = field(default_factory=dict)
    """Static pods to be started anew, with why."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Kubeconfigs to be refreshed, with why."""
    lifetime: Lifetime = field(default_factory=Lifetime)
    void: tuple[str, ...] = ()
    """What has changed since an interrupted run wrote its record there: it is not resumed."""

    @property
    def name(self) -> str:
        """As the profile has it."""
        return self.node.name

    @property
    def due(self) -> Mapping[str, str]:
        """kubeadm's leaves to be renewed, with why."""
        return self.leaves.due

    @property
    def anew(self) -> Mapping[str, NameChange]:
        """Of those, the ones whose names change."""
        return self.leaves.anew

    @property
    def begun(self) -> bool:
        """A run that died has changed something there, or was about to."""
        return self.left.record is not None

    @property
    def puts_back(self) -> bool:
        """A run that died was putting back the files of before."""
        return bool(self.left.record and self.left.record.phase is Phase.PUTTING_BACK)

    @property
    def is_touched(self) -> bool:
        """Something is to be done on this control plane node."""
        return bool(self.due or self.restarts or self.copies or self.begun)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """What is under way first, the leader of etcd last."""
        leads = bool(self.member and self.member.status and self.member.status.is_leader)
        return (not self.begun, leads, self.name)


def control_plane_state(view: RotationView, node: NodeCertificates) -> RotationState:
    """Of a control plane node."""
    left = view.left_on(node.name)
    leaves, record = due_leaves(view, node, left), left.record
    wanted = dict.fromkeys(record.restarts, "an earlier run was about to") if record else {}
    signed = (*leaves.due, *(record.leaves if record else ()))
    return RotationState(
        node=node,
        left=left,
        kubelet=why_kubelet(view, node),
        member=view.member_on(node.name),
        leaves=leaves,
        restarts=wanted | due_restarts(node, leaves.due),
        copies=dict(due_copies(view, node, leaves.due)),
        lifetime=lifetime_of(node, signed, view.facts.configuration, view.now),
        void=_void(view, node, record) if record else (),
    )


def worker_state(view: RotationView, node: NodeCertificates) -> RotationState:
    """Of a node with a kubelet alone."""
    return RotationState(node=node, left=view.left_on(node.name), kubelet=why_kubelet(view, node))


def _void(view: RotationView, node: NodeCertificates, record: RotationRecord) -> tuple[str, ...]:
    ended = what_ended_since(record, node, now=view.now, renew_before=view.options.renew_before)
    return (*what_has_changed(record, node), *ended)
