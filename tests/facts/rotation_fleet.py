"""Nodes that only count what a rotation does to them, in its order; all of their certificates have expired."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath

from tasks.cert_rotation.models.rotation import NodeRotation, OnNode
from tasks.cert_rotation.models.where import Where
from tasks.cert_rotation.probes.proofs import HEALTH
from tasks.cert_rotation.work import Orders, Work
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, Process
from tasks.core.models.findings import Problem
from tasks.run.locks import Check
from tests.facts.certificates import NOW, changed, control_plane, worker
from tests.facts.rotation_node import AT_ONCE
from tests.facts.scripts import told_by


class Fleet:
    """Three control planes and a worker."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.disk = {name: control_plane(name, days=-1) for name in ("cp1", "cp2", "cp3")}
        self.disk |= {"w1": changed(worker(), "kubelet-client", not_after=NOW)}
        self.disk["w1"] = self.disk["w1"].model_copy(update={"processes": (Process(name="kubelet", started_at=NOW),)})

    def node(self, name: str) -> "FleetNode":
        """One of them."""
        return FleetNode(self, name)

    def kubeconfig(self, name: str, **config: str) -> None:
        """The kubelet's of a node is another one."""
        path = "/etc/kubernetes/kubelet.conf"
        self.disk[name] = self.disk[name].model_copy(update={"kubeconfigs": (Kubeconfig(path=path, **config),)})

    def work(self, node: NodeRotation) -> Work:
        """Of a run that brings everything back."""
        return Work(self.node(node.name), node, Orders("run-1", lambda: None, allow_downtime=True, limits=AT_ONCE))


class FleetNode:
    """How one of them is reached."""

    where = Where.of_kubeadm(PurePosixPath("/etc/kubernetes"))
    health = HEALTH

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet, self.name = fleet, name

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Scripts of a rotation by their names; those for a kubelet's certificate by what they are given."""
        name = told_by(script, "cert_rotation")[0]
        if name in {"begin", "end"}:
            self.fleet.done.append(f"{self.name} {name}s")
        elif name == "who_with":
            return "who /etc/kubernetes/admin.conf kubernetes-admin\n"
        elif stdin == b"request":
            self.fleet.done.append(f"{self.name} signs")
            return "certificate"
        elif stdin == b"certificate":
            self.fleet.done.append(f"{self.name} installs")
        elif stdin == b"pointed":
            self.fleet.done.append(f"{self.name} points")
            self.fleet.kubeconfig(self.name, names_file="/var/lib/kubelet/pki/kubelet-client-current.pem")
        elif not name:
            return "request"
        return ""

    def is_true(self, script: str) -> bool:
        """All but the first one have the CA's key."""
        assert told_by(script, "cert_rotation") == ("has_ca_key", {"PKI": f"{self.where.pki}"})
        return self.name != "cp1"

    def now(self) -> datetime:
        """Always the same."""
        return NOW

    def look(self) -> NodeCertificates:
        """As it stands."""
        return self.fleet.disk[self.name]

    def left(self) -> OnNode:
        """Nothing."""
        return OnNode(node=self.name)

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """By kubeadm."""
        del name, script, limit
        self.fleet.done.append(f"{self.name} renews")
        node = control_plane(self.name, days=300)
        for leaf in ("etcd-server", "apiserver", "admin.conf"):
            node = changed(node, leaf, written_at=NOW + timedelta(minutes=1))
        self.fleet.disk[self.name] = node

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """There is nothing to ask."""
        raise AssertionError(pod, check, allow_downtime)

    def park(self, pod: str) -> None:
        """At once."""

    def unpark(self, pod: str) -> None:
        """It starts anew."""
        node = self.fleet.disk[self.name]
        new = NOW + timedelta(minutes=2)
        started = [Process(name=p.name, started_at=new) if p.name == pod else p for p in node.processes]
        self.fleet.disk[self.name] = node.model_copy(update={"processes": tuple(started)})
        self.fleet.done.append(f"{pod} of {self.name}")

    def api_ready(self) -> str:
        """It is."""
        return "200"

    def what_ails_member(self) -> Problem | None:
        """Nothing."""
        self.fleet.done.append("etcd asked")
        return None

    def renewal_of(self, leader: str) -> str:
        """There is no API."""
        raise AssertionError(leader)

    def keep_diagnostics(self, name: str, text: str) -> str:
        """Nothing fails."""
        raise AssertionError(name, text)
