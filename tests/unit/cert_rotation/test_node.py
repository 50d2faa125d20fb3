"""Wherever a rotation dies on a node: the next one goes on, nothing is renewed or restarted twice, and a failed proof has a way back.

The node is a small one of our own: leaves and static pods with a generation each, and the files that a run leaves there.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.cert_rotation import steps as act
from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation, OnNode, RotationOptions, RotationRecord
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, Process, Served
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.models.kubeadm import AWAY_WITH, ORDER
from tasks.core.models.profile import Kubeadm
from tests.facts.buckets import Bucket
from tests.facts.certificates import NOW, certificate, control_plane

COPY = "/root/.kube/config"
NODE = NodeRotation(
    name="cp1",
    leaves=("etcd-server", "apiserver", "admin.conf", "scheduler.conf"),
    restarts=("etcd", "kube-apiserver", "kube-scheduler"),
    copies=(COPY,),
    configuration="for kubeadm",
)
KILLS = (
    *("copied", "renewed", "gate", "parked etcd", "unparked etcd", "proven etcd"),
    *("parked kube-apiserver", "unparked kube-apiserver", "parked kube-scheduler", "proven kube-scheduler"),
    *("asked", "refreshed", "ended"),
)


class Killed(BaseException):
    """As by SIGKILL: nothing of ours runs any more."""


class World:
    """A control plane node, and what was done to it. Its clock goes on by a minute with each thing."""

    def __init__(self) -> None:
        self.clock = NOW
        self.disk = dict.fromkeys(LEAVES, 1)
        self.written = dict.fromkeys(LEAVES, NOW - timedelta(days=300))
        self.reads = {pod: dict(self.disk) for pod in ORDER}
        self.started = dict.fromkeys(ORDER, NOW - timedelta(days=10))
        self.parked: set[str] = set()
        self.record: RotationRecord | None = None
        self.copy: dict[str, int] = {}
        self.ended: list[str] = []
        self.put_back_at: datetime | None = None
        self.done: list[str] = []
        self.kill_at = self.kill_after = ""
        """The second: only once that was done."""
        self.fails: set[str] = set()
        """Scripts that do not reach the node, once."""
        self.broken: set[str] = set()
        """Pods that do not serve with new files."""
        self.renewals = 0
        self.leaderless = ""
        """A controller that is well with new files, and cannot lead."""
        self.store = Bucket()
        self.kubeadm, self.manifests = "v1.37.2", dict.fromkeys(ORDER, "as it was")

    def reach(self, point: str) -> None:
        """Something was done; a run that is to die here does."""
        self.clock += timedelta(minutes=1)
        self.done.append(point)
        if point == self.kill_at and (not self.kill_after or self.kill_after in self.done):
            self.kill_at = ""
            raise Killed(point)

    def facts(self) -> NodeCertificates:
        """What the node says."""
        made = {
            leaf: certificate(leaf, fingerprint=f"{leaf} {self.disk[leaf]}", written_at=self.written[leaf])
            for leaf in LEAVES
        }
        processes = [
            Process(name=pod, started_at=self.started[pod], container=f"{self.started[pod]}")
            for pod in ORDER
            if pod not in self.parked
        ]
        wire = ((2379, "etcd", "etcd-server"), (6443, "kube-apiserver", "apiserver"))
        served = [
            Served(
                port=port,
                name=pod,
                path=made[leaf].path,
                certificate=certificate(leaf, fingerprint=f"{leaf} {self.reads[pod][leaf]}"),
            )
            for port, pod, leaf in wire
            if pod not in self.parked
        ]
        return control_plane(
            certificates=tuple(made.values()),
            processes=tuple(processes),
            served=tuple(served),
            manifests={pod: "parked" if pod in self.parked else "active" for pod in ORDER},
            kubeconfigs=(Kubeconfig(path=COPY, copy_of="admin.conf"),),
            kubeadm=self.kubeadm,
            manifest_sums=dict(self.manifests),
        )

    def run(self, script: str, stdin: bytes = b"", **_: object) -> SimpleNamespace:
        """Of the short scripts: their words here."""
        word, rest = script.partition(" ")[::2]
        if word in self.fails:
            self.fails.remove(word)
            raise NotYet("cp1: no connection")
        answer = getattr(self, f"do_{word.replace('-', '_')}")(rest, stdin)
        return SimpleNamespace(stdout=(answer or "").encode(), status=0)

    def do_date(self, *_: object) -> str:
        """Its clock."""
        return f"{self.clock.timestamp():.0f}"

    def do_begin(self, rest: str, stdin: bytes) -> None:
        """The copy, once; then the record."""
        assert stdin == b"for kubeadm"
        self.copy = self.copy or dict(self.disk)
        self.record = RotationRecord.model_validate_json(rest)
        self.reach("copied")

    def do_refresh(self, *_: object) -> str:
        """Of copies."""
        self.reach("refreshed")
        return f"fresh {COPY}\n"

    def do_who(self, *_: object) -> str:
        """The API knows them."""
        self.reach("asked")
        return "who /etc/kubernetes/admin.conf kubernetes-admin\n"

    def do_end(self, rest: str, *_: object) -> None:
        """Nothing to go on with."""
        self.record, self.copy = None, {}
        self.ended.append(rest)
        self.reach("ended")

    def do_note(self, rest: str, *_: object) -> None:
        """Another phase."""
        self.record = RotationRecord.model_validate_json(rest)
        self.reach("noted")

    def do_put_back(self, *_: object) -> None:
        """Files and manifests of the copy."""
        for leaf, generation in self.copy.items():
            if self.disk[leaf] != generation:
                self.disk[leaf], self.written[leaf] = generation, NOW - timedelta(days=300)
        self.parked.clear()
        self.put_back_at = self.put_back_at or self.clock
        self.reach("put back")

    def do_when(self, *_: object) -> str:
        """They were put back."""
        return f"{self.put_back_at.timestamp():.0f}" if self.put_back_at else ""

    def do_forget(self, *_: object) -> None:
        """It never was."""
        self.record, self.copy, self.put_back_at = None, {}, None
        self.reach("forgotten")

    def do_is_well(self, rest: str, *_: object) -> str:
        """A controller of itself."""
        return "" if self.ails(rest) else "ok"

    def do_evidence(self, *_: object) -> str:
        """For people."""
        return "its log"

    def lease(self, path: str) -> dict[str, Any]:
        """Of a leader, which renews it unless it cannot lead."""
        pod = path.rpartition("/")[2]
        self.renewals += pod != self.leaderless or set(self.reads[pod].values()) == {1}
        return {"spec": {"renewTime": f"{self.renewals}"}}

    def ails(self, pod: str) -> bool:
        """It does not serve with what it has read."""
        return pod in self.broken and any(self.reads[pod][leaf] > 1 for leaf in LEAVES if pod in LEAVES[leaf].pods)

    def job(self, node: object, job: Any, **_: object) -> None:  # noqa: ANN401 - Job
        """kubeadm, for what is not renewed yet."""
        del node
        assert job.name.startswith("certificates-")
        assert self.record
        for leaf in self.record.leaves:
            if self.disk[leaf] == self.copy[leaf]:
                self.disk[leaf] += 1
                self.written[leaf] = self.clock
                self.done.append(f"renew {leaf}")
        self.reach("renewed")

    def park(self, handle: object, names: object, pods: tuple[str, ...]) -> None:
        """Until it is gone."""
        del handle, names
        self.parked.update(pods)
        self.reach(f"parked {pods[0]}")

    def unpark(self, handle: object, names: object, pods: tuple[str, ...]) -> None:
        """It starts with what is on disk."""
        del handle, names
        for pod in pods:
            self.parked.discard(pod)
            self.reads[pod], self.started[pod] = dict(self.disk), self.clock
        self.reach(f"unparked {pods[0]}")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One for a test, with scripts that are words."""
    one = World()
    where = "tasks.cert_rotation.steps."
    monkeypatch.setattr(f"{where}look_at_node", lambda *_: one.facts())
    monkeypatch.setattr(
        f"{where}_ask_what_is_left", lambda *_: OnNode(node="cp1", record=one.record, ended=tuple(one.ended))
    )
    monkeypatch.setattr(f"{where}run_job", one.job)
    monkeypatch.setattr(f"{where}park", one.park)
    monkeypatch.setattr(f"{where}unpark", one.unpark)
    monkeypatch.setattr(f"{where}gate_control_plane", lambda *_, **__: one.reach("gate"))
    monkeypatch.setattr(f"{where}lead_elsewhere", lambda *_: "cp2")
    ready: Callable[[], str] = lambda: "500" if one.ails("kube-apiserver") else "200"  # noqa: E731 - a word of this world
    monkeypatch.setattr(f"{where}glance_at_machine", lambda *_: SimpleNamespace(api_ready=ready()))
    monkeypatch.setattr(f"{where}look_at_members", lambda *_: None)
    member = SimpleNamespace(status=SimpleNamespace(alarms=(), healthy=False), unreached="")
    monkeypatch.setattr(f"{where}member_on", lambda *_: member if one.ails("etcd") else None)
    for name in ("PROOF_LIMIT", "SETTLE", "AWAKE_LIMIT", "USERS_LIMIT", "ANSWER_LIMIT"):
        monkeypatch.setattr(f"{where}{name}", timedelta())
    words = "tasks.cert_rotation.steps.rotation."
    monkeypatch.setattr(f"{words}begin", lambda _, record: f"begin {record.model_dump_json()}")
    monkeypatch.setattr(f"{words}note", lambda record: f"note {record.model_dump_json()}")
    monkeypatch.setattr(f"{words}refresh", lambda *_: "refresh")
    monkeypatch.setattr(f"{words}who_with", lambda _: "who")
    monkeypatch.setattr(f"{words}end", lambda run_id: f"end {run_id}")
    monkeypatch.setattr(f"{words}put_back", lambda *_: "put-back")
    monkeypatch.setattr(f"{words}when_put_back", lambda: "when")
    monkeypatch.setattr(f"{words}forget", lambda _: "forget")
    monkeypatch.setattr(f"{words}is_well", lambda pod: f"is-well {pod}")
    monkeypatch.setattr(f"{words}evidence", lambda: "evidence")
    kube = SimpleNamespace(prefer=lambda *_: None, find=one.lease)
    profile = SimpleNamespace(name="prod", kubeadm=Kubeadm())
    node = SimpleNamespace(run=one.run)
    handle = SimpleNamespace(
        profile=profile, kube=kube, control_planes=("cp1", "cp2"), store=one.store, node=lambda _: node
    )
    monkeypatch.setattr(f"{where}open_cluster", lambda _: handle)
    prove = act._Rotation.prove  # noqa: SLF001 - to see it done

    def seen(self: Any, pod: str) -> None:  # noqa: ANN401 - the work
        prove(self, pod)
        one.reach(f"proven {pod}")

    monkeypatch.setattr(act._Rotation, "prove", seen)  # noqa: SLF001 - as above
    return one


def go(world: World, run_id: str = "run-1", check: Callable[[], None] = lambda: None, **changes: object) -> NodeRotated:
    """A run on this node, with a plan of what is there."""
    record = world.record
    put_back = bool(record and record.phase == "putting back")
    node = NODE.model_copy(update={"put_back": put_back, "begun": bool(record)} | changes)
    done = act.rotate_node.fn("prod", node, RotationOptions(), run_id, check)
    assert isinstance(done, NodeRotated)
    return done


def assert_renewed(world: World) -> None:
    """Each leaf once, each pod that reads one runs with it, and nothing of a run is left."""
    assert {leaf for leaf, generation in world.disk.items() if generation == 2} == set(NODE.leaves)
    assert max(world.disk.values()) == 2
    for pod in NODE.restarts:
        assert {leaf: world.reads[pod][leaf] for leaf in NODE.leaves} == dict.fromkeys(NODE.leaves, 2)
    assert world.parked == set()
    assert world.record is None


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
    with pytest.raises(Refused, match="nothing is to be put back there any more"):
        go(world, "run-2", put_back=True)


def test_a_connection_that_is_lost_is_no_node_without_a_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a node that is half renewed would be taken for the one of before."""
    world.kill_at = "renewed"
    with pytest.raises(Killed):
        go(world)
    copy = dict(world.copy)

    def lost(*_: object) -> OnNode:
        raise NotYet("cp1: no connection")

    with monkeypatch.context() as patched:
        patched.setattr("tasks.cert_rotation.steps._ask_what_is_left", lost)
        with pytest.raises(NotYet, match="no connection"):
            go(world, "run-2")
    assert (world.copy, world.record is not None) == (copy, True)
    unreadable = OnNode(node="cp1", unreadable="record.json is there and cannot be understood")
    with monkeypatch.context() as patched:
        patched.setattr("tasks.cert_rotation.steps._ask_what_is_left", lambda *_: unreadable)
        with pytest.raises(Refused, match="cannot be understood"):
            go(world, "run-2")


def test_it_may_be_killed_again_and_again(world: World) -> None:
    """At each point once, by one run after the other."""
    for number, point in enumerate(KILLS):
        world.kill_at = point
        with pytest.raises(Killed):
            go(world, f"run-{number}")
    assert_renewed(world)


@pytest.mark.parametrize("pod", NODE.restarts)
def test_a_proof_that_fails_puts_the_files_of_before_back_and_says_why(world: World, pod: str) -> None:
    """What had read the new ones is started once more, and proven; what had not is left alone."""
    world.broken.add(pod)
    with pytest.raises(
        CommandFailed, match=f"cp1: .*({pod}|readyz).*; its files of before are back, and proven"
    ) as told:
        go(world)
    assert set(world.disk.values()) == {1}
    assert all(set(reads.values()) == {1} for reads in world.reads.values())
    assert world.parked == set()
    assert world.record is None
    later = NODE.restarts[NODE.restarts.index(pod) + 1 :]
    for other in set(later) - set(AWAY_WITH.get(pod, ())):
        assert f"parked {other}" not in world.done
    assert "its log" in "".join(map(str, world.store.kept.values()))
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
    with pytest.raises(CommandFailed, match="its files of before are back, and proven"):
        go(world, "run-2")
    assert set(world.disk.values()) == {1}
    assert all(set(reads.values()) == {1} for reads in world.reads.values())
    assert world.record is None


def test_what_was_not_touched_yet_is_not_proven_on_the_way_back(world: World) -> None:
    """It runs since before its file was written, for another reason than this rotation."""
    world.broken.add("kube-apiserver")
    world.written["scheduler.conf"] = NOW - timedelta(minutes=1)
    with pytest.raises(CommandFailed, match="its files of before are back, and proven"):
        go(world)
    assert "parked kube-scheduler" not in world.done


def test_a_controller_that_is_well_and_does_not_lead_is_put_back(world: World) -> None:
    """What it needs as a leader alone it reads only then."""
    world.leaderless = "kube-scheduler"
    with pytest.raises(CommandFailed, match="cp1: no kube-scheduler leads.*; its files of before are back, and proven"):
        go(world)
    assert set(world.disk.values()) == {1}
    assert world.record is None


def test_a_way_back_that_fails_is_told_and_gone_on_with(world: World) -> None:
    """Both problems, and what to do."""
    world.broken.add("etcd")
    world.fails.add("put-back")
    with pytest.raises(CommandFailed, match="and the files of before could not be proven: cp1: no connection"):
        go(world)
    assert world.record
    assert world.record.phase == "putting back"
    with pytest.raises(CommandFailed, match="its files of before are back"):
        go(world, "run-2")


def test_files_that_have_ended_are_not_put_back(world: World) -> None:
    """There is nothing to go back to: it stays where it was, and says so."""
    world.broken.add("etcd")
    with pytest.raises(CommandFailed, match="the files of before have ended, so they stay away"):
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


def test_a_kubeadm_that_does_nothing_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends well where the authority is external, or the file is not there. Nothing was started anew, so nothing is again."""
    monkeypatch.setattr("tasks.cert_rotation.steps.run_job", lambda *_, **__: None)
    with pytest.raises(CommandFailed, match="cp1: kubeadm ended well and has not renewed etcd-server, apiserver"):
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


def test_a_job_that_cannot_be_asked_is_not_put_back_under_its_hands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost, the job goes on: the next attempt attaches to it."""

    def lost(*_: object, **__: object) -> None:
        raise NotYet("cp1: no connection")

    monkeypatch.setattr("tasks.cert_rotation.steps.run_job", lost)
    with pytest.raises(NotYet, match="cp1: no connection"):
        go(world)
    assert world.done == ["copied"]
    assert world.record
