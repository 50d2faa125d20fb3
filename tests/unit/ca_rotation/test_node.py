"""A stage on nodes of our own (folders and a shell): each comes to the state of the stage, and one that fails goes back."""

import base64
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509

from tasks.ca_rotation.halves import put_away_on_all
from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.node import StageOnNode, bring_all_workers
from tasks.certificates.models.authorities import State
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import KUBELET_PKI
from tests.facts.ca_cluster import ORDERS, World, bring, bring_one, lay_down, plan


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
    assert [leaves for name, leaves in world.renewed if name == "cp1"] == [(), ("apiserver",), ()]
    last = plan(Stage.DROP_OLD, State.ONLY_NEW, puts_away=("cp1", "cp2", "w1", "w2"))
    away = put_away_on_all(world, last, ORDERS.run_id, lambda: None)
    assert set(away.values()) == {f"{CA_ROTATIONS}/ca-ended-0a1b2c3d-4711"}
    assert world.node("cp2").read_file(f"{CA_ROTATIONS}/ca-ended-0a1b2c3d-4711/old.key")
    assert world.state("cp1") is State.ONLY_OLD  # of a next rotation, which has not begun


@pytest.mark.parametrize(
    ("stage", "state"),
    [(Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH), (Stage.DROP_OLD, State.NEW_SIGNS)],
)
def test_a_node_whose_proof_fails_goes_back(world: World, stage: Stage, state: State) -> None:
    """Its previous files, read anew and proven; the error says so, and the next nodes are not begun with."""
    lay_down(world)
    for earlier, before in ((Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH)):
        if before is state:
            break
        bring(world, earlier, before)
    world.renewed.clear()
    world.breaks = "cp1"
    with pytest.raises(CommandFailed, match=f"/readyz answers 500; it is {state} again, and that is proven"):
        bring(world, stage, state)
    assert world.state("cp1") is world.state("cp2") is state
    assert world.renewed[-1] == ("cp1", ())
    assert {name for name, _ in world.renewed} == {"cp1"}


def test_a_node_that_was_between_stays_there(world: World) -> None:
    """There is no state of before to go back to."""
    lay_down(world)
    wanted = plan(Stage.SIGN_WITH_NEW, State.BETWEEN)
    world.breaks = "cp1"
    with pytest.raises(CommandFailed, match="it was between before, and stays as it is"):
        bring_one(world, wanted.nodes[0], wanted)


def test_a_kubelet_has_its_certificate_signed_by_the_new_one(world: World) -> None:
    """By the first control plane node, for the key that it has."""
    lay_down(world)
    bring(world, Stage.TRUST_BOTH, State.ONLY_OLD)
    worker, current = world.node("w1"), f"{KUBELET_PKI}/kubelet-client-current.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-subj", "/CN=anybody"]
    worker.here(KUBELET_PKI).mkdir(parents=True)
    worker.here(current).write_bytes(subprocess.run(words, capture_output=True, check=True).stdout)
    wanted = plan(Stage.SIGN_WITH_NEW, State.BOTH)
    nodes = tuple(node.model_copy(update={"kubelet": node.name == "w1"}) for node in wanted.nodes)
    for node in wanted.control_plane:
        bring_one(world, node, wanted)
    done = bring_all_workers(world, wanted.model_copy(update={"nodes": nodes}), lambda: None)
    assert [(one.node, one.kubelet_restarted) for one in done] == [("w1", True), ("w2", True)]
    found = x509.load_pem_x509_certificate(worker.read_file(current))
    new = x509.load_pem_x509_certificate(world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/new.pem"))
    found.verify_directly_issued_by(new)
    assert found.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"


def test_a_kubelet_that_is_not_heard_of_is_told(world: World) -> None:
    """The API may know it by what it was before."""
    lay_down(world)
    [node, *_] = plan(Stage.TRUST_BOTH, State.ONLY_OLD).workers
    work = StageOnNode(world, node, plan(Stage.TRUST_BOTH, State.ONLY_OLD), lambda: None)
    world.api.objects["/api/v1/nodes"] = []
    with pytest.raises(NotYet, match="w1: no heartbeat since its kubelet was started"):
        work.restart_kubelet(signer="cp1", limit=timedelta())
    with pytest.raises(NotYet, match="w1: it is only-old, not both"):
        work.result(None)
