"""The profile as a whole: one YAML file, and what has to be consistent in it."""

from typing import ClassVar, Self

from pydantic import model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.access import Kubeadm, Kubernetes, Node, Ssh
from tasks.core.models.profile.certificates import CertificateRules
from tasks.core.models.profile.etcd import Etcd
from tasks.core.models.profile.maintenance import MaintenanceRules, SiteGate, UpgradeRules
from tasks.core.models.profile.store import BackupRules, Store
from tasks.core.models.profile.words import Name


class ClusterProfile(Model):
    """One YAML file in `$KUBE_RUNBOOKS_CLUSTERS`, named as the cluster. It holds no secret, only references."""

    COVERED: ClassVar[Reasons] = {
        "name nodes": "which machines are touched",
        "ssh": "named field by field",
        "kubeadm kubernetes etcd": "which files, which API and which members are meant",
        "upgrade maintenance gates": "they allow and forbid",
        "certificates": "copies of kubeconfigs are rewritten",
        "store backup": "where the backup of an upgrade goes, and which ones its retention deletes",
    }

    name: Name
    nodes: tuple[Node, ...] = ()
    ssh: Ssh | None = None
    kubeadm: Kubeadm = Kubeadm()
    kubernetes: Kubernetes = Kubernetes()
    upgrade: UpgradeRules = UpgradeRules()
    maintenance: MaintenanceRules = MaintenanceRules()
    certificates: CertificateRules = CertificateRules()
    gates: tuple[SiteGate, ...] = ()
    etcd: Etcd = Etcd()
    store: Store
    backup: BackupRules = BackupRules()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = [node.name for node in self.nodes]
        if twice := sorted({name for name in known if known.count(name) > 1}):
            message = f"nodes: named twice: {', '.join(twice)}"
            raise ValueError(message)
        for gate in self.gates:
            if gate.on is not None and gate.on not in known:
                message = f"gates: {gate.name!r} runs on {gate.on!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        console = self.maintenance.console
        if console and console.node not in known:
            message = f"maintenance.console: it runs on {console.node!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
            raise ValueError(message)
        for endpoint in self.etcd.endpoints:
            if endpoint.node is not None and endpoint.node not in known:
                message = f"etcd.endpoints: {endpoint.url} runs on node {endpoint.node!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        if not self.etcd.endpoints and not (self.ssh and self.nodes):
            message = "etcd.endpoints: none; name the members, or give ssh and nodes, where they are found"
            raise ValueError(message)
        if self.etcd.client is None and self.ssh is None:
            message = (
                "etcd.client or ssh is needed: without a client certificate and without SSH there is no route to etcd"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _copies_are_on_known_nodes(self) -> Self:
        known = [node.name for node in self.nodes]
        for copy in self.certificates.kubeconfigs:
            if strange := [name for name in copy.nodes if name not in known]:
                message = f"certificates.kubeconfigs: {copy.path} is on {', '.join(strange)}: not in `nodes` ({', '.join(known) or 'none'})"
                raise ValueError(message)
        return self

    def node(self, name: str) -> Node | None:
        """The node of that name, if the profile has it."""
        return next((node for node in self.nodes if node.name == name), None)
