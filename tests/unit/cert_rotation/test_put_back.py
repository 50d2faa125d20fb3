"""A proof that fails on a node has a way back, wherever that dies, too."""

from datetime import timedelta

import pytest

from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.models.kubeadm import AWAY_WITH
from tests.facts.certificates import NOW
from tests.facts.rotation_node import NODE, Killed, World, go


@pytest.mark.parametrize("pod", NODE.restarts)
def test_a_proof_that_fails_puts_the_files_of_before_back_and_says_why(world: World, pod: str) -> None:
    """What had read the new ones is started once more, and proven; what had not is left alone."""
    world.broken.add(pod)
    with pytest.raises(
        CommandFailed, match=f"cp1: .*({pod}|readyz).*; its previous files are restored and proven"
    ) as told:
        go(world)
    assert set(world.disk.values()) == {1}
    assert all(set(reads.values()) == {1} for reads in world.reads.values())
    assert world.parked == set()
    assert world.record is None
    later = NODE.restarts[NODE.restarts.index(pod) + 1 :]
    for other in set(later) - set(AWAY_WITH.get(pod, ())):
        assert f"parked {other}" not in world.done
    assert "its log" in "".join(world.kept.values())
    assert "put-back.tar" in told.value.hint


@pytest.mark.parametrize("point", ["noted", "put back", "parked etcd", "unparked etcd", "proven etcd", "forgotten"])
def test_a_way_back_that_is_cut_off_is_gone_to_its_end(world: World, point: str) -> None:
    """By the next run, which then says why it was gone."""
    world.broken.add("kube-apiserver")
    world.kill_at, world.kill_after = point, "noted"
    with pytest.raises(Killed):
        go(world)
    if point == "forgotten":
        assert world.record is None
        return
    with pytest.raises(CommandFailed, match="its previous files are restored and proven"):
        go(world, "run-2")
    assert set(world.disk.values()) == {1}
    assert all(set(reads.values()) == {1} for reads in world.reads.values())
    assert world.record is None


def test_what_was_not_touched_yet_is_not_proven_on_the_way_back(world: World) -> None:
    """It runs since before its file was written, for another reason than this rotation."""
    world.broken.add("kube-apiserver")
    world.written["scheduler.conf"] = NOW - timedelta(minutes=1)
    with pytest.raises(CommandFailed, match="its previous files are restored and proven"):
        go(world)
    assert "parked kube-scheduler" not in world.done


def test_a_controller_that_is_well_and_does_not_lead_is_put_back(world: World) -> None:
    """What it needs as a leader alone it reads only then."""
    world.leaderless = "kube-scheduler"
    with pytest.raises(
        CommandFailed, match="cp1: no kube-scheduler leads.*; its previous files are restored and proven"
    ):
        go(world)
    assert set(world.disk.values()) == {1}
    assert world.record is None


def test_a_way_back_that_fails_is_told_and_gone_on_with(world: World) -> None:
    """Both problems, and what to do."""
    world.broken.add("etcd")
    world.fails.add("put_back")
    with pytest.raises(CommandFailed, match="and the previous files could not be proven: cp1: no connection"):
        go(world)
    assert world.record
    assert world.record.phase == "putting back"
    with pytest.raises(CommandFailed, match="its previous files are restored and proven"):
        go(world, "run-2")


def test_files_that_have_ended_are_not_put_back(world: World) -> None:
    """There is nothing to go back to: it stays where it was, and says so."""
    world.broken.add("etcd")
    with pytest.raises(CommandFailed, match="the previous certificates have expired and were not restored"):
        go(world, by_ssh_alone=True)
    assert world.disk["etcd-server"] == 2
    assert world.record


def test_a_lost_lock_stops_it_where_it_is(world: World) -> None:
    """Another run is at work: nothing is put back under its hands."""

    def check() -> None:
        if "renewed" in world.done:
            raise Refused("another run has taken the lock")

    with pytest.raises(Refused, match="another run has taken the lock"):
        go(world, check=check)
    assert "put back" not in world.done
    assert world.record


def test_a_kubeadm_that_does_nothing_is_no_success(world: World) -> None:
    """It ends well where the authority is external, or the file is not there. Nothing was started anew, so nothing is again."""
    world.kubeadm_does = "nothing"
    with pytest.raises(CommandFailed, match="cp1: kubeadm succeeded and did not renew etcd-server, apiserver"):
        go(world)
    assert "parked etcd" not in world.done
    assert world.done[-1] == "forgotten"


@pytest.mark.parametrize("error", [NotYet, Refused])
def test_a_run_that_does_not_know_whether_it_has_the_lock_notes_no_way_back(
    world: World, error: type[RunbookError]
) -> None:
    """Another run may be at work on the node, and goes on by that note."""

    def check() -> None:
        if "unparked etcd" in world.done:
            raise error("the lock")

    with pytest.raises(error, match="the lock"):
        go(world, check=check)
    assert world.record
    assert world.record.phase != "putting back"
    assert world.done[-1] == "unparked etcd"
