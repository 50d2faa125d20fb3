"""Halves of a rotation on nodes of our own (folders and a shell): made once, the same on all, and for control planes the key."""

import shutil

import pytest

from tasks.ca_rotation.models import Stage
from tasks.certificates.models.authorities import State
from tasks.core.errors import Refused
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.models.kubeadm import Authority
from tests.facts.ca_cluster import CLUSTER, World, halves_on_all, lay_down, plan
from tests.facts.folder_node import Killed


@pytest.mark.parametrize("authority", Authority)
def test_the_new_one_is_made_once_and_laid_down_beside_the_old_one(world: World, authority: Authority) -> None:
    """Its key on control planes alone. Nobody believes it yet; laid down again, nothing is made."""
    assert lay_down(world, authority)
    assert not lay_down(world, authority)
    halves = {name: machine.here(f"{CA_ROTATIONS}/{authority}") for name, machine in world.machines.items()}
    assert (halves["cp1"] / "new.key").read_bytes() == (halves["cp2"] / "new.key").read_bytes()
    if authority is CLUSTER:
        assert {file.name for file in halves["w1"].iterdir()} == {"new.pem", "old.pem"}
    assert {world.state(name, authority) for name in ("cp1", "cp2")} == {State.ONLY_OLD}


def test_a_run_that_died_after_the_first_node_brings_the_others_the_same(world: World) -> None:
    """Whoever goes on makes no second one."""
    world.node("cp1").orders_until_killed = 1
    with pytest.raises(Killed):
        lay_down(world)
    first = world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/new.pem")
    assert not lay_down(world)
    assert {world.node(name).read_file(f"{CA_ROTATIONS}/ca/new.pem") for name in world.machines} == {first}


def test_control_planes_that_have_laid_down_different_ones_are_refused(world: World) -> None:
    """A control plane node that joined meanwhile signs with the new one, and has not the old key."""
    lay_down(world)
    shutil.rmtree(world.node("cp2").here(f"{CA_ROTATIONS}/ca"))
    world.node("cp2").here("/etc/kubernetes/pki/ca.key").write_bytes(
        world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/new.key")
    )
    with pytest.raises(Refused, match="cp2: /var/lib/kube-runbooks/ca-rotation/ca has other halves than cp1"):
        lay_down(world)


def test_a_file_with_several_that_nobody_has_laid_down_is_refused(world: World) -> None:
    """A rotation by hand is under way."""
    path = world.node("cp1").here("/etc/kubernetes/pki/ca.crt")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(Refused, match="cp1: /etc/kubernetes/pki/ca.crt has several"):
        lay_down(world)


def test_only_the_first_stage_makes_a_new_one(world: World) -> None:
    """Later ones bring it to a worker that has joined since, or say that it is gone."""
    later = plan(Stage.SIGN_WITH_NEW, State.BOTH)
    with pytest.raises(Refused, match="no control plane node has the halves of this rotation any more"):
        halves_on_all(world, later)
    lay_down(world)
    shutil.rmtree(world.node("w2").here(f"{CA_ROTATIONS}/ca"))
    assert not halves_on_all(world, later).made
    assert world.node("w2").read_file(f"{CA_ROTATIONS}/ca/new.pem")
