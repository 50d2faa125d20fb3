"""The cluster's lock on a real API server and on real nodes: one run has it, a dead one loses it, and who has lost it notices."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.cluster import close_clusters
from tasks.core.errors import NotYet, Refused
from tasks.run import leases, this_process
from tasks.run.leases import COLLECTION, PLACE
from tasks.run.locks import Limits
from tasks.run.locks import locked as locked_by
from tasks.run.models.lock import Holder, machine_of
from tests.facts.shapes import API_SERVER
from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ApiError, ControlPlane
from tests.servers.processes import Process, wait_until
from tests.servers.proxies import TcpProxy
from tests.servers.sshd import Sshd

SHORT = timedelta(seconds=3)
"""Of a Lease in these tests."""

LONG = timedelta(minutes=5)
"""Of one that nobody is to wait for."""

BRIEFLY = Limits(take=SHORT)

LIMIT = 150.0
HOLDER = Holder(runbook="rolling_upgrade", run_name="upgrade-test", started_at=datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real one."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture
def clusters(tmp_path: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with the profile `test`; nobody has its lock, nor ever had."""
    if lease_of(control_plane):
        control_plane.api.delete(PLACE)
    folder = tmp_path / "clusters"
    folder.mkdir()
    write_profile(folder, "test", control_plane.kubeconfig())
    monkeypatch.setenv("KUBE_RUNBOOKS_CLUSTERS", str(folder))
    yield folder
    close_clusters()


def write_profile(clusters: Path, name: str, kubeconfig: str, **changes: object) -> None:
    """Of a cluster whose API is reached like that; without changes, of one without SSH."""
    config = clusters / f"{name}.conf"
    config.touch(mode=0o600)
    config.write_text(kubeconfig)
    files = dict.fromkeys(("ca", "certificate", "key"), "file:/nowhere")
    profile = {
        "name": name,
        "kubernetes": {"kubeconfig": f"file:{config}"},
        "store": {"bucket": name},  # which a profile has, as well as etcd; nobody asks them for anything here
        "etcd": {"endpoints": [{"url": "https://127.0.0.1:2379"}], "client": files},
    }
    (clusters / f"{name}.yaml").write_text(yaml.safe_dump(profile | changes))


def lease_of(control_plane: ControlPlane) -> dict[str, Any] | None:
    """What the API has."""
    try:
        return control_plane.api.get(PLACE)
    except ApiError as error:
        assert error.status == 404  # noqa: PT017 - anything else is wrong
        return None


def spec_of(control_plane: ControlPlane) -> dict[str, Any]:
    """Of the Lease."""
    lease = lease_of(control_plane)
    assert lease
    spec: dict[str, Any] = lease["spec"]
    return spec


HOLD = """
import json, logging, sys, time
from datetime import timedelta
from pathlib import Path
from tasks.core.errors import RunbookError
from tasks.run.locks import locked
from tasks.run.models.lock import Holder
cluster, run_id, folder, seconds, without_api = sys.argv[1], sys.argv[2], Path(sys.argv[3]), *json.loads(sys.argv[4])
holder = Holder(runbook="rolling_upgrade", run_name="upgrade-test", started_at="2026-11-24T12:00:00Z")
logging.basicConfig(level=logging.INFO)
try:
    with locked(cluster, run_id, holder, duration=timedelta(seconds=seconds), without_api=without_api) as check:
        print("locked", flush=True)
        while not (folder / "check").exists():
            time.sleep(0.1)
        try:
            check()
            print("still locked", flush=True)
        except RunbookError as error:
            print(f"refused: {error}", flush=True)
        while not (folder / "end").exists():
            time.sleep(0.1)
except RunbookError as error:
    print(f"not locked: {type(error).__name__}: {error}", flush=True)
print("ended", flush=True)
"""


@contextmanager
def running(
    folder: Path,
    run_id: str = "run-1",
    *,
    lasting: timedelta = SHORT,
    cluster: str = "test",
    without_api: bool = False,
) -> Iterator[Process]:
    """A run in a process of its own that takes the lock, checks it once its folder has a file `check`, and ends with `end`."""
    folder.mkdir(exist_ok=True)
    options = json.dumps([lasting.total_seconds(), without_api])
    command = [sys.executable, "-c", HOLD, cluster, run_id, str(folder), options]
    with Process(command, folder=folder, name=f"holder-{run_id}", cwd=ROOT) as process:
        yield process


@contextmanager
def holding(
    folder: Path,
    run_id: str = "run-1",
    *,
    lasting: timedelta = SHORT,
    cluster: str = "test",
    without_api: bool = False,
) -> Iterator[Process]:
    """One that has it."""
    with running(folder, run_id, lasting=lasting, cluster=cluster, without_api=without_api) as process:
        process.wait_until(lambda: "locked" in process.output, LIMIT, "the lock is taken")
        assert "not locked" not in process.output
        yield process


def finish(process: Process, folder: Path) -> str:
    """It checks, and ends; what it said."""
    for name in ("check", "end"):
        (folder / name).touch()
    process.wait(LIMIT)
    return process.output


def locked(run_id: str, cluster: str = "test", *, lasting: timedelta = SHORT, **options: Any) -> Any:  # noqa: ANN401 - a context manager of a callable
    """The lock, for a run of this process."""
    return locked_by(cluster, run_id, HOLDER, duration=lasting, **options)


def fail_with_the_lock(run_id: str) -> None:
    """In the middle of it."""
    with locked(run_id):
        _ = 1 / 0


@pytest.mark.usefixtures("clusters")
def test_a_run_has_the_lock_and_gives_it_back_also_after_a_failure(control_plane: ControlPlane) -> None:
    """The Lease names the run; later ones count up its transitions."""
    with locked("run-1") as check:
        check()
        lease = lease_of(control_plane)
        assert lease
        assert lease["spec"]["holderIdentity"] == "run-1"
        assert (lease["spec"]["leaseDurationSeconds"], lease["spec"]["leaseTransitions"]) == (3, 0)
        annotations = {
            name.removeprefix("kube-runbooks.io/"): text for name, text in lease["metadata"]["annotations"].items()
        }
        assert annotations["runbook"] == "rolling_upgrade"
        assert annotations["run-name"] == "upgrade-test"
        assert annotations["started"] == "2026-11-24T12:00:00.000000Z"
        before = lease["spec"]["renewTime"]
        wait_until(lambda: spec_of(control_plane)["renewTime"] != before, LIMIT, "it is renewed")
        assert spec_of(control_plane)["acquireTime"] == lease["spec"]["acquireTime"]
    freed = lease_of(control_plane)
    assert freed
    assert not freed["spec"].get("holderIdentity")
    assert not freed["metadata"].get("annotations")
    with pytest.raises(ZeroDivisionError):
        fail_with_the_lock("run-2")
    assert spec_of(control_plane)["leaseTransitions"] == 1
    assert not spec_of(control_plane).get("holderIdentity")


@pytest.mark.usefixtures("clusters")
def test_a_conflict_while_it_is_given_back_is_no_reason_to_keep_it(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes to the Lease between the look and the change: the API server refuses the change with 409."""
    freed, conflicts = leases._freed, iter((True, True, False))  # noqa: SLF001 - in its middle

    def with_conflicts(lease: dict[str, Any]) -> dict[str, Any]:
        if next(conflicts):
            control_plane.api.patch(PLACE, {"metadata": {"labels": {"seen": str(time.monotonic_ns())}}})
        return freed(lease)

    with locked("run-1", lasting=LONG):
        monkeypatch.setattr(leases, "_freed", with_conflicts)
    assert not spec_of(control_plane).get("holderIdentity")


@pytest.mark.usefixtures("clusters")
def test_a_lease_that_makes_no_sense_is_not_free(control_plane: ControlPlane) -> None:
    """One of another program is watched like any other."""
    odd = {"metadata": {"name": "kube-runbooks", "annotations": {}}, "spec": {"holderIdentity": "somebody"}}
    control_plane.api.create(COLLECTION, odd)
    with locked("run-1") as check:
        check()
        assert holder_of(control_plane) == "run-1"


@pytest.mark.usefixtures("clusters")
def test_a_second_run_is_told_who_has_it() -> None:
    """As soon as it has seen a renewal."""
    with locked("run-1") as check:
        with (
            pytest.raises(
                Refused, match=r"rolling_upgrade upgrade-test \(run run-1, process \d+ on .*\) has had"
            ) as refused,
            locked("run-2"),
        ):
            pass
        assert "since 20" in refused.value.problem
        assert (
            refused.value.hint
            == "wait until it ends, or cancel it: `prefect flow-run cancel run-1`; then run this again"
        )
        check()


@pytest.mark.usefixtures("clusters")
def test_a_killed_holder_loses_it_after_its_time_and_not_before(control_plane: ControlPlane, tmp_path: Path) -> None:
    """By the taker's own clock."""
    with elsewhere(), holding(tmp_path) as holder:
        holder.kill()
        spec = spec_of(control_plane)
        started = time.monotonic()
        with locked("run-2") as check:
            assert time.monotonic() - started >= SHORT.total_seconds()
            check()
            taken = spec_of(control_plane)
    assert (spec["holderIdentity"], taken["holderIdentity"]) == ("run-1", "run-2")
    assert taken["leaseTransitions"] == spec["leaseTransitions"] + 1


@contextmanager
def elsewhere() -> Iterator[None]:
    """This process is in another container than the ones that it starts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(this_process, "machine_of", lambda boot, _, *more: machine_of(boot, "pid:[1]", *more))
        yield


def test_a_holder_that_was_killed_on_this_machine_has_lost_it_at_once(nodes: "Nodes", tmp_path: Path) -> None:
    """Its retry does not wait, and neither does another run; one in another container cannot know, and waits."""
    for number, run_id in enumerate(("run-1", "run-2")):
        with holding(tmp_path / str(number), "run-1", lasting=LONG) as holder:
            holder.kill()
            started = time.monotonic()
            with locked(run_id, lasting=LONG) as check:
                assert time.monotonic() - started < LONG.total_seconds() / 2
                check()
                assert {nodes.holder_on(name) for name in nodes.sshds} == {holder_of(nodes.control_plane)} == {run_id}
    with holding(tmp_path / "other", "run-1", lasting=BRIEF) as holder:
        holder.kill()
        started = time.monotonic()
        with elsewhere(), locked("run-1", lasting=BRIEF):
            assert time.monotonic() - started >= BRIEF.total_seconds()


def test_a_holder_that_is_frozen_on_this_machine_is_not_gone(nodes: "Nodes", tmp_path: Path) -> None:
    """It has its time, as a process of another machine has."""
    with holding(tmp_path / "holder", lasting=BRIEF) as holder:
        holder.freeze()
        started = time.monotonic()
        with locked("run-1", lasting=BRIEF):
            assert time.monotonic() - started >= BRIEF.total_seconds()
            assert {nodes.holder_on(name) for name in nodes.sshds} == {"run-1"}
            holder.thaw()
            assert "refused: this run has lost the lock of the cluster" in finish(holder, tmp_path / "holder")


@pytest.mark.usefixtures("clusters")
def test_a_retry_is_another_process_and_waits_for_the_first_one(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Prefect may call a run crashed whose process lives: it is refused then, and takes over once that one is gone."""
    with holding(tmp_path) as holder:
        with pytest.raises(Refused, match=r"run run-1, process \d+ on .*, and renews it"), locked("run-1"):
            pass
        assert "still locked" not in holder.output
        holder.kill()
        with locked("run-1") as check:
            check()
            assert spec_of(control_plane)["leaseTransitions"] == 1


@pytest.mark.usefixtures("clusters")
@pytest.mark.parametrize("still_held", [True, False], ids=["still held", "given back"])
def test_a_frozen_holder_notices_at_its_next_look(
    control_plane: ControlPlane, tmp_path: Path, *, still_held: bool
) -> None:
    """It slept longer than the lock lasts; also when the other one has come to its end meanwhile."""
    with holding(tmp_path) as holder:
        holder.freeze()
        with locked("run-2") as check:
            if still_held:
                holder.thaw()
                output = finish(holder, tmp_path)
                check()
            assert spec_of(control_plane)["holderIdentity"] == "run-2"
        if not still_held:
            holder.thaw()
            output = finish(holder, tmp_path)
    assert "refused: this run has lost the lock of the cluster" in output
    assert not spec_of(control_plane).get("holderIdentity")


@pytest.mark.usefixtures("clusters")
def test_an_outage_of_the_api_gives_the_lock_to_nobody(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Longer than the Lease lasts: the holder does not act meanwhile, and a run that waits for its death is refused afterwards."""
    waiting = tmp_path / "waiting"
    with holding(tmp_path / "holder") as holder:
        holder.freeze()  # so that the other one begins to watch it
        with running(waiting, "run-2", lasting=SHORT * 2) as other:
            other.wait_until(lambda: "whether that run is still alive" in other.output, LIMIT, "it watches")
            control_plane.apiserver.kill()
            try:
                holder.thaw()
                (tmp_path / "holder" / "check").touch()
                holder.wait_until(lambda: "before the next act" in holder.output, LIMIT, "it does not act")
                other.wait_until(
                    lambda: "the API does not grant the lock" in other.output, LIMIT, "it is told why it waits"
                )
                time.sleep((SHORT * 2).total_seconds())
                assert "still locked" not in holder.output
            finally:
                control_plane.start_apiserver()
            other.wait(LIMIT)
            assert "not locked: Refused: the Lease kube-system/kube-runbooks: rolling_upgrade" in other.output
        assert "still locked" in finish(holder, tmp_path / "holder")
    assert not spec_of(control_plane).get("holderIdentity")


def test_a_holder_cut_off_from_the_api_stops_before_its_next_act(clusters: Path, control_plane: ControlPlane) -> None:
    """It does not act while another run has the lock; when the API is back it knows."""
    with TcpProxy("127.0.0.1", control_plane.port) as proxy, ThreadPoolExecutor(1) as pool:
        write_profile(clusters, "cut-off", through(control_plane, proxy))
        with locked("run-1", "cut-off") as check:
            proxy.refuse()
            with locked("run-2") as other:
                checking = pool.submit(check)
                time.sleep(SHORT.total_seconds())
                assert not checking.done()
                proxy.accept()
                with pytest.raises(Refused, match="has lost the lock of the cluster: .*run-2"):
                    checking.result(LIMIT)
                with pytest.raises(Refused, match="has lost the lock"):
                    check()
                other()
            with pytest.raises(Refused, match="has lost the lock"):
                check()
        assert not spec_of(control_plane).get("holderIdentity")


def through(control_plane: ControlPlane, proxy: TcpProxy) -> str:
    """A kubeconfig that leads through the proxy, as through a load balancer."""
    config = json.loads(control_plane.kubeconfig())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    return json.dumps(config)


@pytest.mark.usefixtures("clusters")
@pytest.mark.parametrize("before", ["never taken", "free", "dead"])
def test_of_eight_takers_one_has_it(control_plane: ControlPlane, before: str) -> None:
    """Whatever they find; the others are told who it is."""
    if before == "free":
        with locked("run-0"):
            pass
    elif before == "dead":
        spec = {"holderIdentity": "run-0", "leaseDurationSeconds": 3, "leaseTransitions": 4}
        body = {"metadata": {"name": "kube-runbooks"}, "spec": spec}
        control_plane.api.create(COLLECTION, body)
    together, ended, got, told = threading.Barrier(8), threading.Event(), [], []

    def take(run_id: str) -> None:
        together.wait()
        try:
            with locked(run_id) as check:
                got.append(run_id)
                check()
                ended.wait(LIMIT)
        except Refused as error:
            told.append(str(error))

    takers = [threading.Thread(target=take, args=(f"run-{number}",)) for number in range(1, 9)]
    for taker in takers:
        taker.start()
    try:
        wait_until(lambda: len(got) + len(told) >= 8, LIMIT, "all know")
    finally:
        ended.set()
        for taker in takers:
            taker.join(LIMIT)
    assert (len(got), len(told)) == (1, 7)
    assert all(f"(run {got[0]}, process" in problem for problem in told)


AS_THIS_NODE = """
import base64, os, re
def moved(found):
    text = base64.b64decode(found[0]).decode()
    for path, here in MOVED.items():
        text = text.replace(path, here)
    return base64.b64encode(text.encode()).decode()
command = re.sub(r"[A-Za-z0-9+/]{60,}=*", moved, os.environ["SSH_ORIGINAL_COMMAND"])
os.execv("/bin/sh", ["sh", "-c", command])
"""
"""What sshd runs instead of a command: the same with the folders of that node. The worker's scripts are base64 words of it."""


class Nodes:
    """Three control plane nodes: an sshd each, with folders of its own, and the way to the API through them or a proxy."""

    def __init__(self, folder: Path, control_plane: ControlPlane, api: TcpProxy, count: int) -> None:
        self.api = api
        self.folder = folder
        self.control_plane = control_plane
        self.sshds = {f"cp{number}": self._sshd(f"cp{number}") for number in range(1, count + 1)}

    def _sshd(self, name: str) -> Sshd:
        folder = self.folder / name
        manifests = folder / "kubernetes" / "manifests"
        manifests.mkdir(parents=True)
        (manifests / "kube-apiserver.yaml").write_text(API_SERVER)
        script = folder / "as-this-node"
        moved = {"/var/lib/kube-runbooks": f"{folder}/state", "/etc/kubernetes": f"{folder}/kubernetes"}
        script.write_text(f"#!{sys.executable} -IS\nMOVED = {moved}\n{AS_THIS_NODE}")
        script.chmod(0o755)
        return Sshd(folder / "sshd", f"ForceCommand {script}")

    def lock(self, name: str) -> Path:
        """The file on a node."""
        return self.folder / name / "state" / "lock"

    def holder_on(self, name: str) -> str:
        """Id of the run; empty where nobody has it."""
        path = self.lock(name)
        return str(json.loads(path.read_text())["holder"]) if path.exists() else ""

    def write_profile(self, clusters: Path, name: str = "test", *, port: int = 1) -> None:
        """With the API through the proxy, and through SSH if it is at that port."""
        key, known = self.folder / "key", self.folder / "known_hosts"
        sshds = list(self.sshds.values())
        key.touch(mode=0o600)
        key.write_text(sshds[0].key_text)
        for sshd in sshds[1:]:
            (sshd.folder / "authorized_keys").write_text((sshds[0].folder / "authorized_keys").read_text())
        known.write_text("".join(sshd.known_hosts.read_text() for sshd in sshds))
        config = clusters / f"{name}.conf"
        config.touch(mode=0o600)
        config.write_text(through(self.control_plane, self.api))
        write_profile(
            clusters,
            name,
            through(self.control_plane, self.api),
            kubernetes={"kubeconfig": f"file:{config}", "port": port},
            nodes=[{"name": one, "address": "127.0.0.1", "port": sshd.port} for one, sshd in self.sshds.items()],
            ssh={"user": sshds[0].user, "key": f"file:{key}", "known_hosts": str(known), "sudo": False},
        )


@contextmanager
def nodes_of(tmp_path: Path, clusters: Path, control_plane: ControlPlane, count: int) -> Iterator[Nodes]:
    """The profile `test` has so many nodes."""
    with ExitStack() as stack:
        api = stack.enter_context(TcpProxy("127.0.0.1", control_plane.port))
        made = Nodes(tmp_path / "nodes", control_plane, api, count)
        made.write_profile(clusters)
        for sshd in made.sshds.values():
            stack.enter_context(sshd)
        yield made
        close_clusters()


@pytest.fixture(params=[pytest.param(1, id="1 node", marks=pytest.mark.full), pytest.param(3, id="3 nodes")])
def nodes(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Path, control_plane: ControlPlane
) -> Iterator[Nodes]:
    """A small cluster, and a usual one."""
    with nodes_of(tmp_path, clusters, control_plane, request.param) as made:
        yield made


@pytest.fixture
def three(tmp_path: Path, clusters: Path, control_plane: ControlPlane) -> Iterator[Nodes]:
    """A usual cluster."""
    with nodes_of(tmp_path, clusters, control_plane, 3) as made:
        yield made


REFUSED = r"not locked: Refused: .*: rolling_upgrade upgrade-test \(run {}, process .*, and renews it"
"""Whichever place showed it first."""

BRIEF = timedelta(seconds=6)
"""Of a lock on nodes in these tests: each question takes its time on a busy machine."""


def test_an_upgrade_is_refused_while_a_restore_has_stopped_the_api(nodes: Nodes, tmp_path: Path) -> None:
    """The restore took the lock without the API; once it is back, it has the Lease, too, and gives everything back."""
    nodes.api.refuse()
    with locked("restore", lasting=BRIEF, without_api=True) as check:
        check()
        assert {nodes.holder_on(name) for name in nodes.sshds} == {"restore"}
        nodes.api.accept()
        with running(tmp_path / "upgrade", "upgrade", lasting=BRIEF) as upgrade:
            upgrade.wait(LIMIT)
        assert re.search(REFUSED.format("restore"), upgrade.output)
        check()
        wait_until(
            lambda: holder_of(nodes.control_plane) == "restore", LIMIT, "the Lease is taken as soon as it can be"
        )
        check()
    assert {nodes.holder_on(name) for name in nodes.sshds} == {""}
    assert holder_of(nodes.control_plane) == ""


def test_a_restore_is_refused_while_an_upgrade_has_the_lock(nodes: Nodes, tmp_path: Path) -> None:
    """The upgrade lost its API for good, and goes on: its nodes say that the lock is its own."""
    with locked("upgrade", lasting=BRIEF) as check:
        assert holder_of(nodes.control_plane) == "upgrade"
        nodes.api.refuse()
        with running(tmp_path / "restore", "restore", lasting=BRIEF, without_api=True) as restore:
            restore.wait(LIMIT)
        assert re.search(REFUSED.format("upgrade"), restore.output)
        check()
        nodes.api.accept()
        check()
    assert holder_of(nodes.control_plane) == ""


def test_a_run_whose_load_balancer_is_gone_keeps_the_lease_through_its_nodes(
    nodes: Nodes, control_plane: ControlPlane, clusters: Path
) -> None:
    """Each control plane node's own API server is asked through SSH."""
    nodes.write_profile(clusters, "by-ssh", port=control_plane.port)
    with locked("run-1", "by-ssh", lasting=BRIEF) as check:
        nodes.api.refuse()
        before = spec_of(control_plane)["renewTime"]
        wait_until(lambda: spec_of(control_plane)["renewTime"] != before, LIMIT, "it is renewed")
        check()


@pytest.mark.full
def test_a_node_that_hangs_makes_no_other_lock_stale(three: Nodes, tmp_path: Path) -> None:
    """Another run waits for it in vain, and sees that the others are renewed."""
    with holding(tmp_path / "holder", lasting=BRIEF) as holder:
        three.api.refuse()
        three.sshds["cp2"].freeze()
        try:
            time.sleep(BRIEF.total_seconds() * 2)
            with running(tmp_path / "other", "run-2", lasting=BRIEF, without_api=True) as other:
                other.wait(LIMIT)
            assert re.search(REFUSED.format("run-1"), other.output)
        finally:
            three.sshds["cp2"].thaw()
            three.api.accept()
        assert "still locked" in finish(holder, tmp_path / "holder")
    assert {three.holder_on(name) for name in three.sshds} == {""}


def test_a_killed_holder_of_nodes_loses_them_and_a_frozen_one_knows_it(nodes: Nodes, tmp_path: Path) -> None:
    """Whoever thaws later neither acts nor gives back what is another's."""
    with holding(tmp_path / "holder", lasting=BRIEF) as holder:
        holder.freeze()
        with locked("run-2", lasting=BRIEF) as check:
            holder.thaw()
            assert "refused: this run has lost the lock of the cluster" in finish(holder, tmp_path / "holder")
            assert {nodes.holder_on(name) for name in nodes.sshds} == {"run-2"}
            assert holder_of(nodes.control_plane) == "run-2"
            check()
    with holding(tmp_path / "killed", "run-3", lasting=BRIEF) as killed:
        killed.kill()
        with locked("run-3", lasting=BRIEF) as check:
            check()


def test_half_of_the_nodes_are_not_enough_without_the_api(three: Nodes) -> None:
    """Two of three that cannot be reached might be locked by somebody who reaches them."""
    three.api.refuse()
    for name in ("cp2", "cp3"):
        three.sshds[name].stop()
    with (
        pytest.raises(
            NotYet, match=r"1 of 3 control plane nodes confirm the lock, 2 have to \(cp2: .*; cp3: .*; the API: "
        ),
        locked("run-1", lasting=timedelta(seconds=1), without_api=True, limits=BRIEFLY),
    ):
        pass
    assert three.holder_on("cp1") == ""


def test_files_that_are_no_locks_are_watched_and_what_cannot_be_read_is_not_free(
    tmp_path: Path, clusters: Path, control_plane: ControlPlane
) -> None:
    """A file of an older version, or of nobody, is taken over after its time; a folder in its place is told."""
    with nodes_of(tmp_path, clusters, control_plane, 1) as one:
        lock = one.lock("cp1")
        lock.parent.mkdir()
        lock.write_text("$(touch /tmp/never) older-run\n\0")
        with locked("it's; run-1", lasting=BRIEF) as check:
            check()
            assert one.holder_on("cp1") == "it's; run-1"
        assert not lock.exists()
        lock.mkdir()
        with (
            pytest.raises(NotYet, match=r"control plane nodes confirm the lock.*Is a directory"),
            locked("run-1", lasting=timedelta(seconds=1), limits=BRIEFLY),
        ):
            pass
        assert holder_of(control_plane) == ""


def holder_of(control_plane: ControlPlane) -> str:
    """By the Lease; empty where nobody has it."""
    lease = lease_of(control_plane)
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""
