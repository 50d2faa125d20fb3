"""Wherever a rotation dies on a node: the next one goes on, and nothing is renewed or restarted twice."""

import pytest

from tasks.cert_rotation.models.rotation import OnNode
from tasks.core.errors import NotYet, Refused
from tasks.core.models.kubeadm import ORDER
from tests.facts.rotation_node import COPY, NODE, Killed, World, assert_renewed, go

KILLS = (
    *("copied", "renewed", "gate", "parked etcd", "unparked etcd", "proven etcd"),
    *("parked kube-apiserver", "unparked kube-apiserver", "parked kube-scheduler", "proven kube-scheduler"),
    *("asked", "refreshed", "ended"),
)


def test_a_node_from_its_copy_to_its_end(world: World) -> None:
    """A gate before each restart, and a proof after it, in the order of who is a client of whom; no API server without its etcd."""
    done = go(world)
    assert [point for point in world.done if not point.startswith("renew ")] == [
        *("copied", "renewed"),
        *("gate", "parked kube-apiserver", "parked etcd", "unparked etcd", "proven etcd"),
        *("parked kube-apiserver", "unparked kube-apiserver", "proven kube-apiserver"),
        *("gate", "parked kube-scheduler", "unparked kube-scheduler", "proven kube-scheduler"),
        *("asked", "refreshed", "ended"),
    ]
    assert_renewed(world)
    assert done.restarted == NODE.restarts
    assert set(done.renewed) == set(NODE.leaves)
    assert (done.copies, done.users) == ((COPY,), {"/etc/kubernetes/admin.conf": "kubernetes-admin"})
    assert done.leader_moved_to == "cp2"
    assert [part.what for part in done.parts][:2] == ["copy of kubeadm's folder", "kubeadm certs renew"]


@pytest.mark.parametrize("run_id", ["run-1", "run-2"])
@pytest.mark.parametrize("point", KILLS[:-1])
def test_wherever_it_is_killed_another_attempt_goes_on(world: World, point: str, run_id: str) -> None:
    """A retry of the run, or another one: no leaf is renewed twice, no pod that was proven is started again."""
    world.kill_at = point
    with pytest.raises(Killed):
        go(world)
    go(world, run_id)
    assert_renewed(world)
    for leaf in NODE.leaves:
        assert world.done.count(f"renew {leaf}") == 1
    for pod in NODE.restarts:
        assert world.done.count(f"unparked {pod}") == 1
    assert world.ended == [run_id]


@pytest.mark.parametrize("point", ["renewed", "parked etcd", "noted", "put back"])
def test_after_an_upgrade_in_between_nothing_is_resumed_and_nothing_put_back(world: World, point: str) -> None:
    """Days may lie between the plan and its approval: it is asked again at the last moment."""
    world.kill_at = point
    world.broken.add("kube-apiserver")
    with pytest.raises(Killed):
        go(world)
    world.kubeadm, world.manifests["etcd"] = "v1.38.0", "as kubeadm v1.38.0 has it"
    world.done.clear()
    with pytest.raises(
        Refused, match="cannot be resumed: kubeadm is v1.38.0, it was v1.37.2; the manifest of etcd has"
    ):
        go(world, "run-2")
    assert world.done == []


def test_a_proof_that_failed_before_is_not_asked_afterwards(world: World) -> None:
    """The plan has named it."""
    world.broken.add("kube-scheduler")
    world.leaderless = "kube-scheduler"
    go(world, unproven=("kube-scheduler", "/etc/kubernetes/admin.conf", "/etc/kubernetes/scheduler.conf"), unled=ORDER)
    assert_renewed(world)
    assert "asked" not in world.done


def test_a_record_of_another_runbook_or_one_that_is_gone_is_not_touched(world: World) -> None:
    """The other one resumes it; what was to be put back is back already."""
    world.kill_at = "renewed"
    with pytest.raises(Killed):
        go(world)
    assert world.record
    ours = world.record
    world.record = ours.model_copy(update={"runbook": "ca_rotation"})
    with pytest.raises(Refused, match="it is of ca_rotation, which has to resume it"):
        go(world, "run-2")
    world.record = None
    with pytest.raises(Refused, match="nothing is left to restore on this node"):
        go(world, "run-2", put_back=True)


def test_a_connection_that_is_lost_is_no_node_without_a_record(world: World) -> None:
    """A copy of a node that is half renewed would be taken for the one of before."""
    world.kill_at = "renewed"
    with pytest.raises(Killed):
        go(world)
    copy = dict(world.copy)

    world.finds = NotYet("cp1: no connection")
    with pytest.raises(NotYet, match="no connection"):
        go(world, "run-2")
    assert (world.copy, world.record is not None) == (copy, True)
    world.finds = OnNode(node="cp1", unreadable="record.json exists and could not be parsed")
    with pytest.raises(Refused, match="could not be parsed"):
        go(world, "run-2")


def test_it_may_be_killed_again_and_again(world: World) -> None:
    """At each point once, by one run after the other."""
    for number, point in enumerate(KILLS):
        world.kill_at = point
        with pytest.raises(Killed):
            go(world, f"run-{number}")
    assert_renewed(world)


def test_a_job_that_cannot_be_asked_is_not_put_back_under_its_hands(world: World) -> None:
    """The connection is lost, the job goes on: the next attempt attaches to it."""
    world.kubeadm_does = "lost"
    with pytest.raises(NotYet, match="cp1: no connection"):
        go(world)
    assert world.done == ["copied"]
    assert world.record
