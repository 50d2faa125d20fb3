"""The cluster's lock on a real API server: one run has it, a dead one loses it, and who has lost it notices."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.cluster import close_clusters
from tasks.errors import Refused
from tasks.leases import COLLECTION, PLACE
from tasks.locks import locked_cluster
from tasks.models.lock import Holder
from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ApiError, ControlPlane
from tests.servers.processes import Process, wait_until
from tests.servers.proxies import TcpProxy

SHORT = timedelta(seconds=3)
"""Of a Lease in these tests."""

LONG = timedelta(minutes=1)
"""Of one that nobody is to wait for."""

LIMIT = 90.0
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


def write_profile(clusters: Path, name: str, kubeconfig: str) -> None:
    """Of a cluster whose API is reached like that."""
    config = clusters / f"{name}.conf"
    config.touch(mode=0o600)
    config.write_text(kubeconfig)
    profile = {
        "name": name,
        "kubernetes": {"kubeconfig": f"file:{config}"},
        "store": {"bucket": name},  # which a profile has, as well as etcd; nobody asks them for anything here
        "etcd": {"endpoints": [{"url": "https://127.0.0.1:2379", "node": "cp1"}]},
        "nodes": [{"name": "cp1", "address": "127.0.0.1"}],
        "ssh": {"user": "root", "key": "file:/nowhere", "known_hosts": "/nowhere"},
    }
    (clusters / f"{name}.yaml").write_text(yaml.safe_dump(profile))


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
import sys, time
from datetime import timedelta
from pathlib import Path
from tasks.errors import Refused
from tasks.locks import locked_cluster
from tasks.models.lock import Holder
run_id, folder, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
holder = Holder(runbook="rolling_upgrade", run_name="upgrade-test", started_at="2026-11-24T12:00:00Z")
with locked_cluster("test", run_id, holder, timedelta(seconds=seconds)) as check:
    print("locked", flush=True)
    while not (folder / "check").exists():
        time.sleep(0.1)
    try:
        check()
        print("still locked", flush=True)
    except Refused as error:
        print(f"refused: {error}", flush=True)
print("ended", flush=True)
"""


@contextmanager
def holding(folder: Path, run_id: str = "run-1", *, lasting: timedelta = SHORT) -> Iterator[Process]:
    """A run in a process of its own that has the lock, until its folder has a file `check`."""
    command = [sys.executable, "-c", HOLD, run_id, str(folder), str(lasting.total_seconds())]
    with Process(command, folder=folder, name="holder", cwd=ROOT) as process:
        process.wait_until(lambda: "locked" in process.output, LIMIT, "the lock is taken")
        yield process


def locked(run_id: str, cluster: str = "test", *, lasting: timedelta = SHORT) -> Any:  # noqa: ANN401 - a context manager of a callable
    """The lock, for a run of this process."""
    return locked_cluster(cluster, run_id, HOLDER, lasting)


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
def test_a_second_run_is_told_who_has_it() -> None:
    """As soon as it has seen a renewal."""
    with locked("run-1") as check:
        started = time.monotonic()
        with (
            pytest.raises(
                Refused, match=r"rolling_upgrade upgrade-test \(run run-1, process \d+ on .*\) has had"
            ) as refused,
            locked("run-2"),
        ):
            pass
        assert time.monotonic() - started < LIMIT
        assert "since 20" in refused.value.problem
        assert refused.value.hint == "let it end, or cancel flow run run-1; then run this again"
        check()


@pytest.mark.usefixtures("clusters")
def test_a_killed_holder_loses_it_after_its_time_and_not_before(control_plane: ControlPlane, tmp_path: Path) -> None:
    """By the taker's own clock."""
    with holding(tmp_path) as holder:
        holder.kill()
        spec = spec_of(control_plane)
        started = time.monotonic()
        with locked("run-2") as check:
            assert time.monotonic() - started >= SHORT.total_seconds()
            check()
            taken = spec_of(control_plane)
    assert (spec["holderIdentity"], taken["holderIdentity"]) == ("run-1", "run-2")
    assert taken["leaseTransitions"] == spec["leaseTransitions"] + 1


@pytest.mark.usefixtures("clusters")
def test_a_retry_of_the_same_run_takes_its_own_at_once(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Nobody else needs to be feared; should the dead process turn out to live, it has lost the lock."""
    with holding(tmp_path, lasting=LONG) as holder:
        holder.freeze()
        before = spec_of(control_plane)
        started = time.monotonic()
        with locked("run-1", lasting=LONG) as check:
            assert time.monotonic() - started < LONG.total_seconds()
            assert spec_of(control_plane)["leaseTransitions"] == before["leaseTransitions"]
            holder.thaw()
            (tmp_path / "check").touch()
            holder.wait(LIMIT)
            assert "refused: this run has lost the lock of the cluster" in holder.output
            check()
            assert spec_of(control_plane)["holderIdentity"] == "run-1"


@pytest.mark.usefixtures("clusters")
@pytest.mark.parametrize("still_held", [True, False], ids=["still held", "given back"])
def test_a_frozen_holder_notices_at_its_next_look(
    control_plane: ControlPlane, tmp_path: Path, *, still_held: bool
) -> None:
    """It slept longer than the lock lasts; also when the other one has come to its end meanwhile."""
    with holding(tmp_path) as holder:
        holder.freeze()
        (tmp_path / "check").touch()
        with locked("run-2"):
            if still_held:
                holder.thaw()
                holder.wait(LIMIT)
            assert spec_of(control_plane)["holderIdentity"] == "run-2"
        holder.thaw()
        holder.wait(LIMIT)
    assert "refused: this run has lost the lock of the cluster" in holder.output
    assert not spec_of(control_plane).get("holderIdentity")


@pytest.mark.usefixtures("clusters")
def test_an_api_server_that_restarts_takes_no_lock(control_plane: ControlPlane) -> None:
    """While it is down, nobody else can take it; when it is back, the lock is renewed."""
    with locked("run-1") as check:
        control_plane.apiserver.kill()
        try:
            check()
            time.sleep(SHORT.total_seconds() * 1.5)
            check()
        finally:
            control_plane.start_apiserver()
        before = spec_of(control_plane)["renewTime"]
        wait_until(lambda: spec_of(control_plane)["renewTime"] != before, LIMIT, "it is renewed")
        check()
    assert not spec_of(control_plane).get("holderIdentity")


def test_a_holder_cut_off_from_the_api_stops_when_it_is_back(clusters: Path, control_plane: ControlPlane) -> None:
    """Meanwhile it can neither act nor see that another run has taken the lock."""
    with TcpProxy("127.0.0.1", control_plane.port) as proxy:
        config = json.loads(control_plane.kubeconfig())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
        write_profile(clusters, "cut-off", json.dumps(config))
        with locked("run-1", "cut-off") as check:
            proxy.refuse()
            check()
            with locked("run-2") as other:
                proxy.accept()
                with pytest.raises(Refused, match="has lost the lock of the cluster: .*run-2"):
                    check()
                other()
        assert not spec_of(control_plane).get("holderIdentity")


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
