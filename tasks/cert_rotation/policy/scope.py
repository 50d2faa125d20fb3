"""All nodes as a rotation sees them."""

from dataclasses import dataclass
from functools import cached_property

from tasks.cert_rotation.policy.configuration import for_kubeadm
from tasks.cert_rotation.policy.state import RotationState, control_plane_state, worker_state
from tasks.cert_rotation.policy.view import RotationView
from tasks.certificates.models.inventory import Certificate
from tasks.core.models.kubeadm import KUBELET_CLIENT

_WITHOUT_WHICH = (
    *("etcd-server", "etcd-peer", "apiserver-etcd-client", "apiserver", "apiserver-kubelet-client", "admin.conf"),
    KUBELET_CLIENT,
)


@dataclass(frozen=True)
class RotationScene(RotationView):
    """All that the rules of a rotation look at."""

    @cached_property
    def control_planes(self) -> tuple[RotationState, ...]:
        """In the order in which they are done."""
        states = [control_plane_state(self, node) for node in self.facts.inventory.control_planes]
        return tuple(sorted(states, key=lambda state: state.order))

    @cached_property
    def workers(self) -> tuple[RotationState, ...]:
        """That answered, with a kubelet of their own."""
        nodes = [one for one in self.facts.inventory.nodes if not one.is_control_plane and not one.unreached]
        return tuple(worker_state(self, node) for node in nodes)

    @property
    def states(self) -> tuple[RotationState, ...]:
        """All of both."""
        return (*self.control_planes, *self.workers)

    @cached_property
    def expired(self) -> tuple[Certificate, ...]:
        """Leaves that have ended on control planes, and without which there is no API, or no way in."""
        return tuple(
            one
            for node in self.facts.inventory.control_planes
            for one in node.certificates
            if one.name in _WITHOUT_WHICH and self.has_ended(one)
        )

    @property
    def serving(self) -> tuple[str, ...]:
        """Control planes whose API server goes on for its clients, though it does not let the worker in."""
        ended = {one.node for one in self.expired if one.name == "apiserver"}
        return tuple(name for name in self.facts.serving if name not in ended)

    def configuration(self, state: RotationState) -> str:
        """For kubeadm on that node."""
        return for_kubeadm(state.node, self.facts.configuration, state.lifetime.hours)
