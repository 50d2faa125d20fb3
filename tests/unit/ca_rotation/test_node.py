"""A stage on nodes of our own (folders and a shell): each comes to the state of the stage, and one that fails goes back."""

import base64

import pytest

from tasks.ca_rotation.halves import put_away_on_all
from tasks.ca_rotation.models import Stage
from tasks.certificates.models.authorities import State
from tasks.core.errors import CommandFailed
from tasks.core.models.folders import CA_ROTATIONS
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
    """Its files of before, read anew and proven; the error says so, and the next nodes are not begun with."""
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
