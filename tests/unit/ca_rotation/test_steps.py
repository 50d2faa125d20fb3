"""The tasks of a stage on machines of our own (folders and a shell): halves are laid down once, and a node that fails goes back."""

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.ca_rotation import steps as ca_rotation
from tasks.ca_rotation.models import CaRotationOptions, CaRotationPlan, NodeStage, Stage, StageOrders
from tasks.ca_rotation.policy.trust import halves_of, state_of
from tasks.ca_rotation.probes import api as ca_api
from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation
from tasks.certificates.models.authorities import State
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, Process
from tasks.clients.ssh import Output
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import PARKED, Authority
from tasks.nodes.models.nodes import KubeNode
from tests.unit.ca_rotation.test_api import cluster_info, root
from tests.unit.ca_rotation.test_scripts import CONTROLLERS

FOLDER = PurePosixPath("/etc/kubernetes")
ORDERS = StageOrders(options=CaRotationOptions(), run_id="0a1b2c3d-4711")
CLUSTER = Authority.CLUSTER


class Killed(BaseException):
    """As by SIGKILL."""


class Machine:
    """As `SshNode`; its folders are those of the test."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root
        self.said: list[str] = []
        self.dies = False

    def run(self, command: str, *, stdin: bytes = b"", **_: object) -> Output:
        """A worker that is to die does so once the command has had its input."""
        self.said.append(command)
        for path in (CA_ROTATIONS, PARKED, str(FOLDER)):
            command = command.replace(path, f"{self.root}{path}")
        text = f"systemctl() {{ :; }}\nmkdir -p {self.root}{CA_ROTATIONS}\n{command}"
        done = subprocess.run(["bash", "-c", text], input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise CommandFailed(f"{self.name}: {done.stderr.decode()}")
        self.said.append(done.stdout.decode())
        if stdin and self.dies:
            self.dies = False
            raise Killed
        stdout = done.stdout.replace(str(self.root).encode(), b"")
        return Output(stdout=stdout, stderr=b"", status=0, took=timedelta())

    def read_file(self, path: PurePosixPath | str, **_: object) -> bytes:
        """Whole."""
        return Path(f"{self.root}{path}").read_bytes()


class Api:
    """As `KubeClient`, with the few objects that a stage changes or waits for."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.replaced: list[str] = []

    def close(self) -> None:
        """Nothing is open."""

    def find(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """One of them."""
        return self.objects.get(path)

    get = find

    def items(self, path: str, **_: str) -> Any:  # noqa: ANN401 - JSON
        """A list."""
        return self.objects.get(path, [])

    def replace(self, path: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """What is there from now on."""
        self.objects[path] = body
        self.replaced.append(path)


class World:
    """Two control planes and two workers of one cluster."""

    def __init__(self, folder: Path, kubeadms_files: Path) -> None:
        self.machines = {name: Machine(name, folder / name) for name in ("cp1", "cp2", "w1", "w2")}
        for name, machine in self.machines.items():
            here = Path(f"{machine.root}{FOLDER}")
            if name.startswith("cp"):
                shutil.copytree(kubeadms_files, here)
                (here / "manifests").mkdir()
                (here / "manifests/kube-controller-manager.yaml").write_text(CONTROLLERS.replace("FOLDER", str(FOLDER)))
            else:
                (here / "pki").mkdir(parents=True)
                shutil.copy(kubeadms_files / "pki/ca.crt", here / "pki/ca.crt")
                shutil.copy(kubeadms_files / "kubelet.conf", here / "kubelet.conf")
        self.kube = Api()
        self.profile = SimpleNamespace(
            name="prod", kubeadm=SimpleNamespace(folder=FOLDER), kubernetes=SimpleNamespace(kubeconfig=None)
        )
        self.rotated: list[tuple[str, tuple[str, ...]]] = []
        self.breaks = ""
        self.now = datetime.now(UTC)

    def node(self, name: str) -> Machine:
        """As of a cluster's handle."""
        return self.machines[name]

    def look(self, name: str) -> NodeCertificates:
        """As `look_at_node`, as far as a stage looks."""
        started = datetime.now(UTC) + timedelta(seconds=5)
        return NodeCertificates(
            name=name,
            kubeconfigs=(Kubeconfig(path=f"{FOLDER}/kubelet.conf"), Kubeconfig(path="/none", missing=True)),
            processes=(Process(name="kubelet", started_at=started),),
        )

    def rotate(self, _: object, node: NodeRotation, *__: object, runbook: str) -> NodeRotated:
        """As `bring_leaves`: one that breaks has put its own files back."""
        assert runbook == "ca_rotation"
        self.rotated.append((node.name, node.leaves))
        if self.breaks == node.name and len(self.rotated) == 1:
            raise CommandFailed(f"{node.name}: /readyz answers 500", hint="look")
        return NodeRotated(node=node.name, took=timedelta())

    def state(self, name: str, authority: Authority = CLUSTER) -> State:
        """Where it stands."""
        nodes = {one: ca_rotation.look_at_trust(self, one, authority) for one in self.machines}  # type: ignore[arg-type]
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


@pytest.fixture
def world(tmp_path: Path, kubeadms_files: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """For the tasks."""
    world = World(tmp_path, kubeadms_files)
    monkeypatch.setattr(ca_rotation, "open_cluster", lambda _: world)
    monkeypatch.setattr(ca_rotation, "look_at_node", lambda _, name: world.look(name))
    monkeypatch.setattr(ca_rotation, "rotate_leaves", world.rotate)
    heartbeat = datetime.now(UTC) + timedelta(hours=1)
    ready = [KubeNode(name=name, ready=True, kubelet="1.37.2", heartbeat=heartbeat) for name in world.machines]
    monkeypatch.setattr(ca_rotation, "look_at_nodes", lambda _: ready)
    monkeypatch.setattr(ca_rotation, "SETTLE", timedelta())
    monkeypatch.setattr(ca_rotation, "PUBLISH_LIMIT", timedelta())
    return world


def lay_down(world: World, authority: Authority = CLUSTER) -> bool:
    """Whether the new one was made now."""
    del world
    made = plan(Stage.TRUST_BOTH, State.ONLY_OLD, authority)
    return ca_rotation.lay_down_halves.fn("prod", made, ORDERS.options, lambda: None).made


def bring(world: World, stage: Stage, state: State) -> None:
    """All nodes through a stage."""
    del world
    wanted = plan(stage, state)
    for node in wanted.control_plane:
        ca_rotation.bring_control_plane.fn("prod", node, wanted, ORDERS, lambda: None)
    ca_rotation.bring_workers.fn("prod", wanted, lambda: None)


@pytest.mark.parametrize("authority", Authority)
def test_the_new_one_is_made_once_and_laid_down_beside_the_old_one(world: World, authority: Authority) -> None:
    """Its key on control planes alone. Nobody believes it yet; laid down again, nothing is made."""
    assert lay_down(world, authority)
    assert not lay_down(world, authority)
    halves = {name: (machine.root / f"{CA_ROTATIONS[1:]}/{authority}") for name, machine in world.machines.items()}
    assert (halves["cp1"] / "new.key").read_bytes() == (halves["cp2"] / "new.key").read_bytes()
    if authority is CLUSTER:
        assert {file.name for file in halves["w1"].iterdir()} == {"new.pem", "old.pem"}
    assert {world.state(name, authority) for name in ("cp1", "cp2")} == {State.ONLY_OLD}


def test_a_run_that_died_after_the_first_node_brings_the_others_the_same(world: World) -> None:
    """Whoever goes on makes no second one."""
    world.node("cp1").dies = True
    with pytest.raises(Killed):
        lay_down(world)
    first = world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/new.pem")
    assert not lay_down(world)
    assert {world.node(name).read_file(f"{CA_ROTATIONS}/ca/new.pem") for name in world.machines} == {first}


def test_no_key_is_told_to_anybody(world: World) -> None:
    """Neither in commands nor in what they print."""
    lay_down(world)
    bring(world, Stage.TRUST_BOTH, State.ONLY_OLD)
    bring(world, Stage.SIGN_WITH_NEW, State.BOTH)
    told = "".join(line for machine in world.machines.values() for line in machine.said)
    for name in ("new.key", "old.key"):
        key = world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/{name}")
        assert key.decode().splitlines()[1] not in told
        assert base64.b64encode(key).decode()[100:160] not in told


def test_control_planes_that_have_laid_down_different_ones_are_refused(world: World) -> None:
    """A control plane node that joined meanwhile signs with the new one, and has not the old key."""
    lay_down(world)
    shutil.rmtree(world.node("cp2").root / f"{CA_ROTATIONS[1:]}/ca")
    (world.node("cp2").root / "etc/kubernetes/pki/ca.key").write_bytes(
        world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/new.key")
    )
    with pytest.raises(Refused, match="cp2: /var/lib/kube-runbooks/ca-rotation/ca has other halves than cp1"):
        lay_down(world)


def test_a_file_with_several_that_nobody_has_laid_down_is_refused(world: World) -> None:
    """A rotation by hand is under way."""
    path = world.node("cp1").root / "etc/kubernetes/pki/ca.crt"
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(Refused, match="cp1: pki/ca.crt has several"):
        lay_down(world)


def test_only_the_first_stage_makes_a_new_one(world: World) -> None:
    """Later ones bring it to a worker that has joined since, or say that it is gone."""
    later = plan(Stage.SIGN_WITH_NEW, State.BOTH)
    with pytest.raises(Refused, match="no control plane node has the halves of this rotation any more"):
        ca_rotation.lay_down_halves.fn("prod", later, ORDERS.options, lambda: None)
    lay_down(world)
    shutil.rmtree(world.node("w2").root / f"{CA_ROTATIONS[1:]}/ca")
    assert not ca_rotation.lay_down_halves.fn("prod", later, ORDERS.options, lambda: None).made
    assert world.node("w2").read_file(f"{CA_ROTATIONS}/ca/new.pem")


def test_three_stages_bring_every_node_from_the_old_one_to_the_new_one(world: World) -> None:
    """Halves are put away at the end, and the old key with them."""
    lay_down(world)
    for stage, state, after in (
        (Stage.TRUST_BOTH, State.ONLY_OLD, State.BOTH),
        (Stage.SIGN_WITH_NEW, State.BOTH, State.NEW_SIGNS),
        (Stage.DROP_OLD, State.NEW_SIGNS, State.ONLY_NEW),
    ):
        bring(world, stage, state)
        assert {world.state(name) for name in world.machines} == {after}
    assert [leaves for name, leaves in world.rotated if name == "cp1"] == [(), ("apiserver",), ()]
    last = plan(Stage.DROP_OLD, State.ONLY_NEW, puts_away=("cp1", "cp2", "w1", "w2"))
    away = ca_rotation.put_halves_away.fn("prod", last, ORDERS.run_id, lambda: None)
    assert set(away.values()) == {f"{CA_ROTATIONS}/ca-ended-0a1b2c3d-4711"}
    assert world.node("cp2").read_file(f"{CA_ROTATIONS}/ca-ended-0a1b2c3d-4711/old.key")
    assert world.state("cp1") is State.ONLY_OLD  # of a next rotation, which has not begun


@pytest.mark.parametrize(
    ("stage", "state"),
    [(Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH), (Stage.DROP_OLD, State.NEW_SIGNS)],
)
def test_a_node_whose_proof_fails_goes_back(world: World, stage: Stage, state: State) -> None:
    """Its files of before, read anew and proven; the error says so, and the next nodes are not begun with."""
    lay_down(world)
    for earlier, before in ((Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH)):
        if before is state:
            break
        bring(world, earlier, before)
    world.rotated.clear()
    world.breaks = "cp1"
    with pytest.raises(CommandFailed, match=f"/readyz answers 500; it is {state} again, and that is proven"):
        bring(world, stage, state)
    assert world.state("cp1") is world.state("cp2") is state
    assert world.rotated[-1] == ("cp1", ())
    assert {name for name, _ in world.rotated} == {"cp1"}


def test_a_node_that_was_between_stays_there(world: World) -> None:
    """There is no state of before to go back to."""
    lay_down(world)
    wanted = plan(Stage.SIGN_WITH_NEW, State.BETWEEN)
    world.breaks = "cp1"
    with pytest.raises(CommandFailed, match="it was between before, and stays as it is"):
        ca_rotation.bring_control_plane.fn("prod", wanted.nodes[0], wanted, ORDERS, lambda: None)


def in_api(world: World, bundle: str, root_text: str) -> None:
    """cluster-info and extension-apiserver-authentication with a bundle, kube-root-ca.crt with another."""
    world.kube.objects = {
        ca_rotation.CLUSTER_INFO: cluster_info(bundle),
        ca_rotation.EXTENSION: {"data": {ca_api.CLIENTS: bundle, ca_api.FRONT_PROXIES: bundle}},
        "/api/v1/configmaps": [root("default", root_text, "2026-11-25T12:00:00Z")],
    }


def test_what_nobody_else_hands_out_is_changed_and_the_rest_is_waited_for(world: World) -> None:
    """cluster-info by us; the rest by the cluster itself, or it is told who has not."""
    lay_down(world)
    old = world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/old.pem").decode()
    bring(world, Stage.TRUST_BOTH, State.ONLY_OLD)
    both = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    wanted = plan(Stage.TRUST_BOTH, State.BOTH)
    in_api(world, old, old)
    with pytest.raises(NotYet, match="kube-root-ca.crt is not what it is to be in default"):
        ca_rotation.publish.fn("prod", wanted, lambda: None)
    assert len(ca_api.cluster_info_of(world.kube.find(ca_rotation.CLUSTER_INFO))) == 2
    in_api(world, both, both)
    done = ca_rotation.publish.fn("prod", wanted, lambda: None)
    assert (done.changed, done.waited_for) == ((), ("kube-root-ca.crt", "client-ca-file"))
    in_api(world, old, both)
    with pytest.raises(NotYet, match="extension-apiserver-authentication has not all of it in client-ca-file"):
        ca_rotation.publish.fn("prod", wanted, lambda: None)


def test_in_the_end_what_api_servers_only_add_to_is_taken_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless one of them has it in memory still, and puts it back."""
    lay_down(world)
    for stage, state in ((Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH)):
        bring(world, stage, state)
    both = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    bring(world, Stage.DROP_OLD, State.NEW_SIGNS)
    new = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    in_api(world, both, new)
    wanted = plan(Stage.DROP_OLD, State.ONLY_NEW)
    done = ca_rotation.publish.fn("prod", wanted, lambda: None)
    assert done.changed == ("cluster-info", "extension-apiserver-authentication")
    extension = world.kube.find(ca_rotation.EXTENSION)["data"]
    assert ca_api.ids_in(extension[ca_api.CLIENTS]) == ca_api.ids_in(new)
    assert ca_api.ids_in(extension[ca_api.FRONT_PROXIES]) == ca_api.ids_in(both)
    assert ca_rotation.publish.fn("prod", wanted, lambda: None).changed == ()
    in_api(world, both, new)
    monkeypatch.setattr(world.kube, "replace", lambda *_: None)
    world.kube.objects[ca_rotation.CLUSTER_INFO] = cluster_info(new)
    with pytest.raises(NotYet, match="has put the old one back"):
        ca_rotation.publish.fn("prod", wanted, lambda: None)
