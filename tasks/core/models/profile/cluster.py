"""Defines the profile as a whole: one YAML file, and what has to be consistent in it."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.access import Kubeadm, Kubernetes, Node, Ssh
from tasks.core.models.profile.certificates import CertificateRules
from tasks.core.models.profile.etcd import Etcd
from tasks.core.models.profile.maintenance import MaintenanceRules, SiteGate, UpgradeRules, WorkloadRules
from tasks.core.models.profile.resources import ResourceRules
from tasks.core.models.profile.schedules import RunbookName, Schedule
from tasks.core.models.profile.store import BackupRules, Store
from tasks.core.models.profile.volumes import VolumeRules
from tasks.core.models.profile.words import Name


class ClusterProfile(Model):
    """This is one YAML file in `$KUBE_RUNBOOKS_CLUSTERS`, named after the cluster.

    It holds no secret, only references.
    """

    COVERED: ClassVar[Reasons] = {
        "name nodes": "which machines are touched",
        "ssh": "named field by field",
        "kubeadm kubernetes etcd": "which files, which API and which members are meant",
        "upgrade maintenance gates workloads": "they allow and forbid",
        "certificates": "copies of kubeconfigs are rewritten",
        "resources": "which objects a backup of resources has, and which of these backups are deleted",
        "volumes": "which commands run in containers while their volumes are backed up",
        "store backup": "where the backup of an upgrade goes, and which ones its retention deletes",
    }
    LEFT_OUT: ClassVar[Reasons] = {"schedules": "they say when a run starts; the parameters of that run are covered"}

    name: Name
    nodes: tuple[Node, ...] = ()
    ssh: Ssh | None = None
    kubeadm: Kubeadm = Kubeadm()
    kubernetes: Kubernetes = Kubernetes()
    upgrade: UpgradeRules = UpgradeRules()
    maintenance: MaintenanceRules = MaintenanceRules()
    certificates: CertificateRules = CertificateRules()
    gates: tuple[SiteGate, ...] = ()
    workloads: WorkloadRules = WorkloadRules()
    etcd: Etcd = Etcd()
    store: Store
    backup: BackupRules = BackupRules()
    resources: ResourceRules = ResourceRules()
    volumes: VolumeRules = VolumeRules()
    schedules: dict[RunbookName, tuple[Schedule, ...]] = Field(
        default={},
        description="of `kube-runbooks deploy`: runbook to its schedules, instead of those of prefect.yaml; none: []",
    )

    def __hash__(self) -> int:
        """Returns a hash of the fields that distinguish most profiles.

        It omits the schedules: they are a dictionary, which has no hash of its own.
        """
        return hash((self.name, self.nodes, self.ssh, self.kubernetes, self.etcd, self.store))

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = [node.name for node in self.nodes]
        if twice := sorted({name for name in known if known.count(name) > 1}):
            message = f"nodes: named twice: {', '.join(twice)}"
            raise ValueError(message)
        for gate in (*self.gates, *self.workloads.gates):
            if gate.on is not None and gate.on not in known:
                field = "gates" if gate in self.gates else "workloads.gates"
                message = f"{field}: {gate.name!r} runs on {gate.on!r}, which is not one of `nodes` ({', '.join(known) or 'none'})"
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

    @model_validator(mode="after")
    def _commands_in_containers_have_a_way(self) -> Self:
        for field, found in (("hooks", self.volumes.hooks), ("checks", self.volumes.checks)):
            if found and not (self.ssh and self.nodes):
                message = f"volumes.{field}: they run on the nodes of the pods, over SSH: give ssh and nodes"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _schedules_have_a_name_each(self) -> Self:
        for runbook, schedules in self.schedules.items():
            names = [schedule.name for schedule in schedules]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                message = f"schedules: {runbook} has two of the name {', '.join(twice)}; give each its own"
                raise ValueError(message)
        return self

    def node(self, name: str) -> Node | None:
        """Returns the node of that name; None if the profile does not have it."""
        return next((node for node in self.nodes if node.name == name), None)
