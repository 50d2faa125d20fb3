"""A cluster whose nodes are folders and a shell, and whose API has the few objects that a stage of a rotation reads or changes."""

import shutil
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.ca_rotation.halves import find_or_make_halves, lay_down_on_all
from tasks.ca_rotation.models import (
    CaRotationOptions,
    CaRotationPlan,
    NodeStage,
    NodeStaged,
    Prepared,
    Stage,
    StageOrders,
)
from tasks.ca_rotation.node import StageOnNode, bring_all_workers, bring_control_plane_node
from tasks.ca_rotation.observe import CLUSTER_INFO, EXTENSION, look_at_trust
from tasks.ca_rotation.policy.trust import halves_of, state_of
from tasks.ca_rotation.probes import api as ca_api
from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation
from tasks.certificates.models.authorities import State
from tasks.clients.ssh import Output
from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import KUBELET_PKI, Authority
from tasks.core.models.shape import NodeShape
from tasks.core.probes.node_shape import parse, places_at_first
from tasks.nodes.observe import LEASES
from tests.facts.ca_nodes import FLAGS, kubelet_config, manifest
from tests.facts.folder_node import FolderNode
from tests.facts.profiles import profile_of
from tests.facts.published import cluster_info, root
from tests.facts.scripts import told_by
from tests.facts.shapes import printed

FOLDER = PurePosixPath("/etc/kubernetes")
ORDERS = StageOrders(options=CaRotationOptions(), run_id="0a1b2c3d-4711")
CLUSTER = Authority.CLUSTER
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
NODES = ("cp1", "cp2", "w1", "w2")


class Machine(FolderNode):
    """Of its certificates it tells a kubelet that was just started, and one kubeconfig."""

    def __init__(self, name: str, root: Path) -> None:
        moved = {path: root / path[1:] for path in (CA_ROTATIONS, str(FOLDER), KUBELET_PKI, KUBELET_CONFIG)}
        super().__init__(name, moved, "systemctl() { :; }\n")
        self.here(CA_ROTATIONS).mkdir(parents=True)
        self.here(KUBELET_CONFIG).parent.mkdir(parents=True, exist_ok=True)

    def run(self, command: str, **given: Any) -> Output:  # noqa: ANN401 - of SshNode.run
        """By the shell, but for what is told of certificates."""
        asked = told_by(command, "certificates")[0]
        if asked == "look":
            started = datetime.now(UTC) + timedelta(seconds=5)
            return said(f"process kubelet {started.timestamp():.2f}\n".encode())
        if asked == "look_closer":
            path = f"{FOLDER}/kubelet.conf"
            return said(f"kubeconfig {path} {path} 0 600 0:0 {b64encode(b'kind: Config').decode()}\n".encode())
        return super().run(command, **given)


def said(stdout: bytes) -> Output:
    """By a command that ended well."""
    return Output(stdout=stdout, stderr=b"", status=0, took=timedelta())


class Api:
    """As `KubeClient`."""

    def __init__(self) -> None:
        heartbeat = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}
        nodes = [{"metadata": {"name": name}, "status": {"conditions": [ready]}} for name in NODES]
        self.objects: dict[str, Any] = {"/api/v1/nodes": nodes, LEASES: []}
        self.puts_back = False

    def close(self) -> None:
        """Nothing is open."""

    def find(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """One of them."""
        return self.objects.get(path)

    get = find

    def items(self, path: str, **_: str) -> Any:  # noqa: ANN401 - JSON
        """A list; or why there is none."""
        found = self.objects.get(path, [])
        if isinstance(found, Exception):
            raise found
        return found

    def replace(self, path: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """What is there from now on, unless somebody puts back what was there."""
        if not self.puts_back:
            self.objects[path] = body

    def hands_out(self, bundle: str, roots: str) -> None:
        """cluster-info and extension-apiserver-authentication with a bundle, kube-root-ca.crt with another."""
        self.objects |= {
            CLUSTER_INFO: cluster_info(bundle),
            EXTENSION: {"data": {ca_api.CLIENTS: bundle, ca_api.FRONT_PROXIES: bundle}},
            "/api/v1/configmaps": [root("default", roots, "2026-11-25T12:00:00Z")],
            "/api/v1/namespaces": [{"metadata": {"name": "default"}}],
        }


class World(Cluster):
    """Two control planes and two workers of one cluster."""

    def __init__(self, folder: Path, kubeadms_files: Path) -> None:
        super().__init__(profile_of(*NODES))
        self.machines = {name: Machine(name, folder / name) for name in NODES}
        for name, machine in self.machines.items():
            here = machine.here(FOLDER)
            if name.startswith("cp"):
                shutil.copytree(kubeadms_files, here)
                (here / "manifests").mkdir()
                for pod in FLAGS:
                    (here / f"manifests/{pod}.yaml").write_text(manifest(pod, str(FOLDER / "pki")))
            else:
                (here / "pki").mkdir(parents=True)
                shutil.copy(kubeadms_files / "pki/ca.crt", here / "pki/ca.crt")
                shutil.copy(kubeadms_files / "kubelet.conf", here / "kubelet.conf")
            machine.here(KUBELET_CONFIG).write_text(kubelet_config(str(FOLDER / "pki")))
        self.api = Api()
        self.__dict__["kube"] = self.api
        self.renewed: list[tuple[str, tuple[str, ...]]] = []
        self.breaks = ""

    def node(self, name: str) -> Machine:
        """A folder and a shell."""
        return self.machines[name]

    def shape(self, name: str, *, again: bool = False) -> NodeShape:
        """As kubeadm lays it down; its static pods are looked at where they are."""
        del again
        return parse(name, printed(), places_at_first(FOLDER))

    def renew(self, _: object, node: NodeRotation, *__: object, runbook: str) -> NodeRotated:
        """As a renewal of leaves: one that breaks has put its own files back."""
        assert runbook == "ca_rotation"
        self.renewed.append((node.name, node.leaves))
        if self.breaks == node.name and len(self.renewed) == 1:
            raise CommandFailed(f"{node.name}: /readyz answers 500", hint="look")
        return NodeRotated(node=node.name, took=timedelta())

    def state(self, name: str, authority: Authority = CLUSTER) -> State:
        """Where it stands."""
        nodes = {one: look_at_trust(self, one, authority) for one in self.machines}
        old, new = halves_of(node for one, node in nodes.items() if one.startswith("cp"))
        assert old
        return state_of(nodes[name], old, new)


def plan(stage: Stage, state: State, authority: Authority = CLUSTER, **changes: object) -> CaRotationPlan:
    """Of all nodes, from one state."""
    nodes = tuple(
        NodeStage(
            name=name,
            control_plane=name.startswith("cp"),
            state=state,
            rotation=NodeRotation(name=name, leaves=("apiserver",) if stage is Stage.SIGN_WITH_NEW else ()),
        )
        for name in ("cp1", "cp2", *(("w1", "w2") if authority is CLUSTER else ()))
    )
    values = {"authority": authority, "stage": stage, "nodes": nodes, "machines": ("cp1", "cp2")}
    return CaRotationPlan.model_validate(values | changes)


def halves_on_all(world: World, wanted: CaRotationPlan) -> Prepared:
    """Found or made, and laid down."""
    halves = find_or_make_halves(world, wanted, ORDERS.options)
    return lay_down_on_all(world, wanted, halves, lambda: None)


def lay_down(world: World, authority: Authority = CLUSTER) -> bool:
    """Whether the new one was made now."""
    return halves_on_all(world, plan(Stage.TRUST_BOTH, State.ONLY_OLD, authority)).made


def bring_one(world: World, node: NodeStage, wanted: CaRotationPlan) -> NodeStaged:
    """A control plane node through a stage."""
    return bring_control_plane_node(StageOnNode(world, node, wanted, lambda: None, renew=world.renew), ORDERS)


def bring(world: World, stage: Stage, state: State) -> None:
    """All nodes through a stage."""
    wanted = plan(stage, state)
    for node in wanted.control_plane:
        bring_one(world, node, wanted)
    bring_all_workers(world, wanted, lambda: None)
