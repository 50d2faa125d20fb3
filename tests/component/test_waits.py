"""Waits on real servers: what is missing is on the terminal, in the log and in the Prefect UI while it is missing."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from datetime import timedelta
from typing import Any

import pytest
from prefect import flow, task

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, TimedOut
from tasks.core.retries import ACT, PATIENT
from tasks.drain.cordon import cordon
from tasks.run.leases import COLLECTION, PLACE
from tests.servers.etcd import EtcdCluster
from tests.servers.etcd_pages import fragment
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.site import Site

LIMIT = 150.0
RUN_LIMIT = 600.0
MEMBERS = ("m1", "m2", "m3")

pytestmark = pytest.mark.timeout(900)  # a Python of its own, two control planes and a Prefect server on a busy machine


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Most of its pages are free."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd"), MEMBERS) as cluster:
        fragment(cluster)
        yield cluster


@pytest.fixture(scope="module")
def control_plane(etcd: EtcdCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Of that etcd; its nodes are the members and a worker, which a test may leave cordoned."""
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(folder, etcd=etcd) as cluster, HollowNodes(cluster, ("w1",), MEMBERS):
        yield cluster


def test_a_run_says_what_it_waits_for_on_the_terminal_and_in_the_ui(
    etcd: EtcdCluster,
    control_plane: ControlPlane,
    new_site: Callable[[EtcdCluster], Site],
    prefect_server: PrefectServer,
) -> None:
    """The lock of a run whose process may still live; once that one is gone, the run does its work."""
    site = new_site(etcd)
    site.use_api(control_plane.kubeconfig())
    held = {"holderIdentity": "run-of-before", "leaseDurationSeconds": 3600, "leaseTransitions": 0}
    control_plane.api.create(COLLECTION, {"metadata": {"name": PLACE.rpartition("/")[2]}, "spec": held})
    worth = ["--worth-reclaimable-mib", "1", "--worth-reclaimable-percent", "10"]
    words = [sys.executable, "-m", "kube_runbooks", "run", "etcd-maintenance", site.name, "--mode", "apply", *worth]
    environment = os.environ | site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    key = f"{site.name}-etcd-maintenance-waits"

    def shown() -> list[dict[str, Any]]:
        wanted = {"artifacts": {"key": {"any_": [key]}}}
        return list(prefect_server.api("POST", "/artifacts/filter", wanted))

    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        wait_until(lambda: shown() or run.poll() is not None, RUN_LIMIT, "the UI shows the wait, or the run ends")
        assert run.poll() is None, run.communicate()
        [artifact] = shown()
        control_plane.api.delete(PLACE)
        out, err = run.communicate()
    assert run.returncode == 0, err
    assert f"- {site.name}: waiting for the lock of the cluster; " in artifact["description"]
    assert "run-of-before" in artifact["description"]
    assert (artifact["type"], artifact["task_run_id"]) == ("progress", None)
    assert "completed" in out
    lines = [line for line in err.splitlines() if f"{site.name}: wait" in line]
    assert "waiting for the lock of the cluster; " in lines[0]
    assert lines[0].index("run-of-before") > lines[0].index(" left: ")
    assert any(line.endswith("for the lock of the cluster") and "waited" in line for line in lines)
    [ended] = shown()
    assert (ended["id"], ended["data"], ended["description"]) == (artifact["id"], 100.0, "- the run has finished")


@contextmanager
def client(cluster: ControlPlane) -> Iterator[KubeClient]:
    """The administrator's."""
    files = (cluster.ca, cluster.admin.certificate, cluster.admin.key)
    ca, certificate, key = (path.read_bytes() for path in files)
    user = KubeUser(ca=ca, certificate=certificate, key=key)
    kube = KubeClient([KubeServer("here", lambda: nullcontext(cluster.url))], lambda: user)
    yield kube
    kube.close()


def test_an_api_server_that_is_away_is_named_while_it_is_waited_for(
    control_plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    """With the node that waits for it, the time left and the reason; a node is cordoned once it is back."""
    caplog.set_level(logging.INFO)

    def is_said() -> bool:
        return any("w1: waiting for the API server to answer; " in line for line in caplog.messages)

    with client(control_plane) as kube, ThreadPoolExecutor(1) as pool:
        control_plane.apiserver.kill()
        cordoned = pool.submit(copy_context().run, cordon, kube, "w1", "run-1", "upgrade")
        try:
            wait_until(is_said, LIMIT, "it is said")
        finally:
            control_plane.start_apiserver()
        assert cordoned.exception() is None or isinstance(cordoned.exception(), TimedOut)
    line = next(line for line in caplog.messages if "waiting for the API server" in line)
    assert " s left: " in line
    assert "no API server answers" in line


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize(("options", "tries"), [(PATIENT, 2), (ACT, 6)])
def test_a_proof_that_timed_out_is_not_retried_and_what_never_waited_is(options: dict[str, Any], tries: int) -> None:
    """By Prefect itself: the task begins once; the error has the last reason and the next step."""
    began: list[str] = []

    def look() -> None:
        raise NotYet("cp2: Service kubernetes does not answer", hint="kubectl -n kube-system get pods -o wide")

    @task(**options | {"retry_delay_seconds": 0})
    def prove() -> None:
        began.append("prove")
        wait_for(look, timedelta(seconds=1.5), what="Services to answer from every node", about="prod")

    @task(**options | {"retry_delay_seconds": 0})
    def ask() -> None:
        began.append("ask")
        look()

    @flow
    def both() -> tuple[object, object]:
        return prove(return_state=True).result(raise_on_failure=False), ask(return_state=True).result(
            raise_on_failure=False
        )

    ended, asked = both()
    assert (began.count("prove"), began.count("ask")) == (1, tries)
    assert isinstance(ended, TimedOut)
    assert "does not answer (waited 2 s for Services to answer from every node)" in ended.problem
    assert ended.hint == "kubectl -n kube-system get pods -o wide"
    assert type(asked) is NotYet
