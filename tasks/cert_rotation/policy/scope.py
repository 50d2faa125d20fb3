"""Combines all nodes of a cluster for the rules of a rotation."""

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
    """Holds everything that the rules of a rotation check."""

    @cached_property
    def control_planes(self) -> tuple[RotationState, ...]:
        """Returns the control plane nodes in the order of the rotation."""
        states = [control_plane_state(self, node) for node in self.facts.inventory.control_planes]
        return tuple(sorted(states, key=lambda state: state.order))

    @cached_property
    def workers(self) -> tuple[RotationState, ...]:
        """Returns the worker nodes that answered. Only their kubelet is part of a rotation."""
        nodes = [one for one in self.facts.inventory.nodes if not one.is_control_plane and not one.unreached]
        return tuple(worker_state(self, node) for node in nodes)

    @property
    def states(self) -> tuple[RotationState, ...]:
        """Returns the control plane nodes and then the worker nodes."""
        return (*self.control_planes, *self.workers)

    @cached_property
    def expired(self) -> tuple[Certificate, ...]:
        """Returns expired leaves on control plane nodes without which there is no API, or no access to it."""
        return tuple(
            one
            for node in self.facts.inventory.control_planes
            for one in node.certificates
            if one.name in _WITHOUT_WHICH and self.has_ended(one)
        )

    @property
    def serving(self) -> tuple[str, ...]:
        """Returns the control plane nodes that still serve their clients, although they do not let the Prefect worker in."""
        ended = {one.node for one in self.expired if one.name == "apiserver"}
        return tuple(name for name in self.facts.serving if name not in ended)

    def configuration(self, state: RotationState) -> str:
        """Returns the configuration for kubeadm on this node."""
        return for_kubeadm(state.node, self.facts.configuration, state.lifetime.hours)
