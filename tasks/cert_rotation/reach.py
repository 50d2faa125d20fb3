"""Gives a rotation access to one control plane node: what it reads there, and what it does through other parts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from tasks.cert_rotation.models.rotation import CERT_ROTATION, OnNode
from tasks.cert_rotation.models.where import Where
from tasks.cert_rotation.probes import records
from tasks.cert_rotation.probes.proofs import Health, health_of
from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.observe import look_at_node
from tasks.cluster import Cluster
from tasks.control_plane.park import park, unpark
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.kubeadm import ETCD
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import what_ails
from tasks.node_work.gates import gate_control_plane, lead_elsewhere
from tasks.node_work.policy.gates import member_on
from tasks.node_work.probes.controllers import renewal_of
from tasks.nodes.observe import glance_at_machine
from tasks.run.history import keep_evidence
from tasks.run.locks import Check

R = TypeVar("R")

ANSWER_LIMIT = timedelta(minutes=2)
"""Limits the wait for a node whose connection is lost."""

SYSTEM_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
"""This is the API path of the Leases in kube-system. They include those of the controllers' leaders."""


class Shell(Protocol):
    """Describes the root shell of one node."""

    @property
    def name(self) -> str:
        """Returns the name of the node."""

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Runs a script and returns what it prints."""


class Reach(Shell, Protocol):
    """Describes what a rotation reads on one node and does to it."""

    @property
    def where(self) -> Where:
        """Returns the folders that a rotation changes on the node."""

    @property
    def health(self) -> Health:
        """Returns the addresses at which the node's controllers report their health."""

    def now(self) -> datetime:
        """Returns the time of the node's clock in whole seconds, like the times of files."""

    def look(self) -> NodeCertificates:
        """Reads the certificates of the node, and which programs have read them.

        Raises:
            NotYet: if the node does not answer.
        """

    def left(self) -> OnNode:
        """Returns what earlier runs have left on the node."""

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """Runs a job and waits for it. It attaches to a job of the same name that already exists."""

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """Waits until a static pod may be disturbed, or refuses. It returns the new etcd leader if leadership was moved."""

    def park(self, pod: str) -> None:
        """Takes the manifest of a static pod away, and waits until the pod is gone."""

    def unpark(self, pod: str) -> None:
        """Returns the manifest of a static pod to its place."""

    def api_ready(self) -> str:
        """Returns the readiness status of the node's API server. The result is empty if it does not answer."""

    def what_ails_member(self) -> Problem | None:
        """Returns why the node's etcd member answers no linearizable read, or None if it does.

        The client that reads has a certificate of the same CA.
        """

    def renewal_of(self, leader: str) -> str:
        """Returns when the leader of a controller renewed its Lease. The result is empty if there is no Lease."""

    def keep_diagnostics(self, name: str, text: str) -> str:
        """Saves the diagnostics of a node and returns where they are."""


class ClusterReach:
    """Implements `Reach` for a node of a cluster. A connection that is lost for a moment does not fail a proof."""

    def __init__(self, handle: Cluster, name: str, answer: timedelta = ANSWER_LIMIT) -> None:
        self._handle, self.name, self._answer = handle, name, answer

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Runs a script and returns what it prints.

        Each of these scripts is safe to repeat if the connection, and with it the outcome, was lost.
        """
        return self._answered(lambda: self._handle.shell(self.name).run(script, stdin=stdin))

    @property
    def where(self) -> Where:
        """Returns the folders that the node's kubelet and API server use."""
        return Where.of_node(self._handle.shape(self.name), self._handle.profile.kubeadm.folder)

    @property
    def health(self) -> Health:
        """Returns the health addresses from the controllers' manifests."""
        return health_of(self._handle.shape(self.name))

    def now(self) -> datetime:
        """Returns the time of the node's clock in whole seconds, like the times of files."""
        return self._answered(self._handle.shell(self.name).now).replace(microsecond=0)

    def look(self) -> NodeCertificates:
        """Reads the certificates of the node, and which programs have read them."""
        return self._answered(self._look)

    def left(self) -> OnNode:
        """Returns what earlier runs have left on the node."""
        return self._answered(lambda: ask_what_is_left(self._handle, self.name))

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """Runs a job on the node, or attaches to the one of the same name that already exists."""
        self._handle.shell(self.name).job(name, script, limit)

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """Waits until a static pod may be disturbed. Before etcd is disturbed, another member becomes the leader.

        Afterwards API requests go to the other control plane nodes. It returns the new leader if leadership was moved.
        """
        facts = gate_control_plane(self._handle, self.name, check, allow_downtime=allow_downtime)
        moved = lead_elsewhere(self._handle, facts, self.name) if pod == ETCD else ""
        self._handle.kube.prefer(*(name for name in self._handle.control_planes if name != self.name))
        return moved

    def park(self, pod: str) -> None:
        """Takes the manifest of a static pod away and waits until the pod is gone."""
        park(self._handle, [self.name], (pod,))

    def unpark(self, pod: str) -> None:
        """Returns the manifest of a static pod to its place. It does not wait until the pod runs."""
        self._answered(lambda: unpark(self._handle, [self.name], (pod,)))

    def api_ready(self) -> str:
        """Reads the readiness status of the API server on the node itself."""
        return glance_at_machine(self._handle, self.name).api_ready

    def what_ails_member(self) -> Problem | None:
        """Returns what is wrong with the node's etcd member, or None. It reads the state of all members."""
        try:
            member = member_on(look_at_members(self._handle, "auto"), self.name)
        except RunbookError as error:
            return Problem(text=error.problem)
        ails = what_ails(member) if member else None
        return Problem(text=f"etcd: {ails}") if ails else None

    def renewal_of(self, leader: str) -> str:
        """Returns when the leader of a controller renewed its Lease, as the API has it."""
        return renewal_of(self._handle.kube.find(f"{SYSTEM_LEASES}/{leader}"))

    def keep_diagnostics(self, name: str, text: str) -> str:
        """Saves the diagnostics to the bucket and returns where they are."""
        return keep_evidence(self._handle.store, self._handle.profile.name, CERT_ROTATION, name, text)

    def _answered(self, ask: Callable[[], R]) -> R:
        return wait_for(ask, self._answer, what="the node to answer", about=self.name)

    def _look(self) -> NodeCertificates:
        node = look_at_node(self._handle, self.name)
        if node.unreached:
            raise NotYet(node.unreached, hint="check its sshd and its network")
        return node


def ask_what_is_left(handle: Cluster, name: str) -> OnNode:
    """Asks once what earlier runs have left on a node."""
    return records.parse_left(name, handle.shell(name).ask(records.look_at_record()))
