"""One control plane node as a rotation reaches it: what it asks there, and what it does there by means of others."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Protocol

from tasks.cert_rotation.models.rotation import CERT_ROTATION, OnNode
from tasks.cert_rotation.probes import records
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
from tasks.node_work.gates import gate_control_plane, lead_elsewhere, member_on
from tasks.node_work.probes.controllers import renewal_of
from tasks.nodes.observe import glance_at_machine
from tasks.run.history import keep_evidence
from tasks.run.locks import Check

ANSWER_LIMIT = timedelta(minutes=1)
"""For a node whose connection is lost."""

SYSTEM_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
"""Those of the leaders of controllers are among them."""


class Shell(Protocol):
    """Root's shell on one node."""

    @property
    def name(self) -> str:
        """The node's."""

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """What a script prints."""


class Reach(Shell, Protocol):
    """What a rotation asks of one node, and does to it."""

    @property
    def folder(self) -> PurePosixPath:
        """kubeadm's."""

    def now(self) -> datetime:
        """By the node's own clock, in whole seconds, as times of files are."""

    def look(self) -> NodeCertificates:
        """Its certificates, and who has read them; `NotYet` where it does not answer."""

    def left(self) -> OnNode:
        """What earlier runs have left there."""

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """A job by its name, or the one that is there already: waited for."""

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """Waits until a static pod may be disturbed, or refuses; who leads etcd then, if that was moved."""

    def park(self, pod: str) -> None:
        """Takes the manifest of a static pod away, and waits until it is gone."""

    def unpark(self, pod: str) -> None:
        """Gives the manifest back."""

    def api_ready(self) -> str:
        """What its API server answers to the question whether it is ready; empty where it answers nothing."""

    def what_ails_member(self) -> Problem | None:
        """Why its member of etcd answers no linearizable read, to a client with a certificate of the same authority."""

    def renewal_of(self, leader: str) -> str:
        """When the leader of a controller renewed its lease; empty where there is none."""

    def keep_diagnostics(self, name: str, text: str) -> str:
        """Keeps what a node has to say for itself; where it is."""


class ClusterReach:
    """The same of a cluster's node. A connection that is lost for a moment is no proof that fails."""

    def __init__(self, handle: Cluster, name: str, answer: timedelta = ANSWER_LIMIT) -> None:
        self._handle, self.name, self._answer = handle, name, answer
        self.folder = handle.profile.kubeadm.folder

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Each of these scripts is safe to run again where the connection was lost, and its outcome with it."""
        return wait_for(lambda: self._handle.shell(self.name).run(script, stdin=stdin), self._answer)

    def now(self) -> datetime:
        """By the node's own clock, in whole seconds, as times of files are."""
        return wait_for(self._handle.shell(self.name).now, self._answer).replace(microsecond=0)

    def look(self) -> NodeCertificates:
        """Its certificates, and who has read them."""
        return wait_for(self._look, self._answer)

    def left(self) -> OnNode:
        """What earlier runs have left there."""
        return wait_for(lambda: ask_what_is_left(self._handle, self.name), self._answer)

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """A job by its name, or the one that is there already."""
        self._handle.shell(self.name).job(name, script, limit)

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """Before etcd is disturbed, another member leads; afterwards the API is asked elsewhere."""
        facts = gate_control_plane(self._handle, self.name, check, allow_downtime=allow_downtime)
        moved = lead_elsewhere(self._handle, facts, self.name) if pod == ETCD else ""
        self._handle.kube.prefer(*(name for name in self._handle.control_planes if name != self.name))
        return moved

    def park(self, pod: str) -> None:
        """Until it is gone."""
        park(self._handle, [self.name], (pod,))

    def unpark(self, pod: str) -> None:
        """Does not wait until it runs."""
        wait_for(lambda: unpark(self._handle, [self.name], (pod,)), self._answer)

    def api_ready(self) -> str:
        """Asked on the node itself."""
        return glance_at_machine(self._handle, self.name).api_ready

    def what_ails_member(self) -> Problem | None:
        """By a look at all members."""
        try:
            member = member_on(look_at_members(self._handle, "auto"), self.name)
        except RunbookError as error:
            return Problem(text=error.problem)
        ails = what_ails(member) if member else None
        return Problem(text=f"etcd: {ails}") if ails else None

    def renewal_of(self, leader: str) -> str:
        """By the API."""
        return renewal_of(self._handle.kube.find(f"{SYSTEM_LEASES}/{leader}"))

    def keep_diagnostics(self, name: str, text: str) -> str:
        """In the bucket."""
        return keep_evidence(self._handle.store, self._handle.profile.name, CERT_ROTATION, name, text)

    def _look(self) -> NodeCertificates:
        node = look_at_node(self._handle, self.name)
        if node.unreached:
            raise NotYet(node.unreached, hint="look at its sshd and its network")
        return node


def ask_what_is_left(handle: Cluster, name: str) -> OnNode:
    """What earlier runs have left on a node, asked once."""
    return records.parse_left(name, handle.shell(name).ask(records.look_at_record()))
