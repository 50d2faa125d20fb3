"""How a run ends, as people read it: its state, its message, its log, its events, and the exit statuses that go by them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.servers.binaries import ROOT
from tests.servers.endings import HINT, PROBLEM
from tests.servers.etcd import EtcdCluster
from tests.servers.kubeadm import ControlPlane as Nodes
from tests.servers.kubernetes import ControlPlane
from tests.servers.runbooks import DRILL, Runbooks
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(900)  # the first test pays for a server, a worker and deployments

DRAIN = "node_drain/node-drain"
ENDINGS = "endings/endings"
ANYTHING: dict[str, str] = {}
REFUSED_LINE = f"{PROBLEM}. Next: {HINT}"


class Ended(NamedTuple):
    """A run that has ended: what the API has of it, and what its process printed on the worker's terminal."""

    run: dict[str, Any]
    log: list[str]
    terminal: str
    events: set[str]

    @property
    def state(self) -> tuple[str, str, str]:
        """Its name, type and message."""
        state = self.run["state"]
        return (state["name"], state["type"], state["message"])

    @property
    def all_lines(self) -> str:
        """Of the log and of the terminal."""
        return "\n".join([*self.log, self.terminal])


@pytest.fixture(scope="module")
def runbooks(tmp_path_factory: pytest.TempPathFactory, etcd1: EtcdCluster) -> Iterator[Runbooks]:
    """A server, a worker, two real runbooks and the one that ends as it is told to."""
    folder = tmp_path_factory.mktemp("runbooks")
    with S3Server(folder / "s3") as s3, Runbooks(folder, etcd1, s3, only=(DRAIN, DRILL)) as made:
        flow = made.server.api("POST", "/flows/", {"name": "endings"})
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        deployment = {
            "name": "endings",
            "flow_id": flow["id"],
            "entrypoint": "tests.servers.endings.endings",
            "work_pool_name": "runbooks",
            "pull_steps": [step],
            "parameter_openapi_schema": {"type": "object", "properties": {"cluster": ANYTHING, "how": ANYTHING}},
            "job_variables": {"env": {"PREFECT_LOGGING_EXTRA_LOGGERS": "kube_runbooks"}},
        }
        made.server.api("POST", "/deployments/", deployment)
        yield made


@pytest.fixture
def cluster(runbooks: Runbooks) -> Site:
    """With a bucket of its own."""
    return runbooks.new_cluster()


def end(runbooks: Runbooks, run_id: str, since: int, last: str = "") -> Ended:
    """All that there is of a run, once its process is gone and the server has its last line."""
    run = runbooks.end_of(run_id)
    runbooks.wait_until(lambda: not Path(f"/proc/{run['infrastructure_pid']}").exists(), "its process ends")
    last = last or f"Finished in state {run['state_name']}"
    body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC", "limit": 200}

    def lines() -> list[str]:
        return [line["message"] for line in runbooks.server.api("POST", "/logs/filter", body)]

    runbooks.wait_until(lambda: any(line.startswith(last) for line in lines()), "its last line is there")

    def events() -> set[str]:
        wanted = {"filter": {"resource": {"id": [f"prefect.flow-run.{run_id}"]}}, "limit": 50}
        return {event["event"] for event in runbooks.server.api("POST", "/events/filter", wanted)["events"]}

    wanted = f"prefect.flow-run.{run['state_name']}"
    runbooks.wait_until(lambda: wanted in events(), f"the event {wanted}")
    return Ended(run, lines(), runbooks.worker.output[since:], events())


def run_to_end(
    runbooks: Runbooks,
    site: Site,
    runbook: str = ENDINGS,
    *,
    last: str = "",
    **parameters: Any,  # noqa: ANN401 - any JSON
) -> Ended:
    """From its start until its last line is in the log: Prefect's own, unless another one is `last`."""
    since = len(runbooks.worker.output)
    return end(runbooks, runbooks.start(site, runbook, **parameters), since, last)


def test_a_run_that_a_rule_stopped_is_refused_in_one_sentence(runbooks: Runbooks, cluster: Site) -> None:
    """Everywhere. Hooks, retries and whoever watches it go by its type, which is FAILED."""
    ended = run_to_end(runbooks, cluster, how="refused")
    assert ended.state == ("Refused", "FAILED", REFUSED_LINE)
    assert ended.events >= {"prefect.flow-run.Running", "prefect.flow-run.Refused"}
    assert "prefect.flow-run.Failed" not in ended.events
    assert "Traceback" not in ended.all_lines
    assert f"{cluster.name}: refused: {PROBLEM} -> {HINT}" in ended.log
    assert "the hook saw Refused of type FAILED" in ended.log
    assert cluster.reports()[-1]["outcome"] == "refused"
    run_id = ended.run["id"]

    runbooks.server.cli("flow-run", "retry", run_id)
    runbooks.wait_until(lambda: runbooks.run(run_id)["run_count"] == 2, "it runs again")
    assert runbooks.end_of(run_id)["state_name"] == "Refused"
    words = ("deployment", "run", ENDINGS, "-p", f"cluster={cluster.name}", "-p", "how=refused", "--watch")
    with pytest.raises(RuntimeError, match="Refused"):
        runbooks.server.cli(*words)


@pytest.mark.full
def test_who_starts_it_from_python_gets_the_exception_itself(runbooks: Runbooks, cluster: Site) -> None:
    """In another process, from the storage that the worker shares with it."""
    script = f"""
from prefect.deployments import run_deployment
run = run_deployment("{ENDINGS}", parameters={{"cluster": "{cluster.name}", "how": "refused"}}, poll_interval=1)
error = run.state.result(raise_on_failure=False)
print(type(error).__name__, error.problem, error.hint, sep="|")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=runbooks.server.env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"Refused|{PROBLEM}|{HINT}"


@pytest.mark.full
def test_one_that_waited_in_vain_has_failed_in_one_sentence(runbooks: Runbooks, cluster: Site) -> None:
    """With the state *Failed*, of a task that Prefect has retried, too."""
    ended = run_to_end(runbooks, cluster, how="timed out")
    assert ended.state == ("Failed", "FAILED", "cp1: not ready after 10 min. Next: check its kubelet")
    assert "Traceback" not in ended.all_lines

    cluster.write(store={"endpoint": "http://127.0.0.1:9"})
    ended = run_to_end(runbooks, cluster, DRILL, restore=False)
    assert ended.state[:2] == ("Failed", "FAILED")
    assert "127.0.0.1:9" in ended.state[2]
    assert "Retries are exhausted" in ended.all_lines
    assert "Traceback" not in ended.all_lines


def test_what_nobody_expected_keeps_its_traceback(runbooks: Runbooks, cluster: Site) -> None:
    """In the log."""
    ended = run_to_end(runbooks, cluster, how="unexpected")
    assert ended.state[:2] == ("Failed", "FAILED")
    assert "ZeroDivisionError" in ended.state[2]
    assert any("Traceback" in line and "raise ZeroDivisionError(how)" in line for line in ended.log)


def test_a_skip_is_completed_and_says_why(runbooks: Runbooks, cluster: Site) -> None:
    """Under a name of its own, so that no alarm takes it for a success."""
    ended = run_to_end(runbooks, cluster, how="skipped")
    why = "no maintenance window is open; the next one opens at 22:00"
    assert ended.state == ("Skipped", "COMPLETED", why)
    assert "prefect.flow-run.Skipped" in ended.events
    assert "prefect.flow-run.Completed" not in ended.events
    assert cluster.reports()[-1]["outcome"] == "skipped"


@pytest.mark.full
def test_debug_has_the_traceback_once(runbooks: Runbooks, cluster: Site) -> None:
    """For who looks for the rule."""
    since = len(runbooks.worker.output)
    loud = {"env": {"PREFECT_LOGGING_LEVEL": "DEBUG"}}
    parameters = {"cluster": cluster.name, "how": "refused"}
    run_id = runbooks.request(ENDINGS, parameters=parameters, job_variables=loud).json()["id"]
    ended = end(runbooks, run_id, since)
    [told] = [line for line in ended.log if "Traceback" in line]
    assert told.startswith(f"{cluster.name}: where it was refused:")
    assert "raise Refused(PROBLEM, hint=HINT)" in told


def test_a_wrong_parameter_is_told_without_a_traceback(runbooks: Runbooks, cluster: Site) -> None:
    """Prefect finds it, before there is a runbook that could refuse. Its last line is then on the terminal alone."""
    ended = run_to_end(runbooks, cluster, how=["refused"], last="the hook saw")
    assert ended.state[:2] == ("Failed", "FAILED")
    assert "how: Input should be a valid string" in ended.state[2]
    assert "Traceback" not in ended.all_lines


@pytest.fixture
def api(tmp_path: Path, cluster: Site) -> Iterator[ControlPlane]:
    """A real API, asked through SSH to the node that it runs on."""
    with (
        ControlPlane(tmp_path / "kubernetes") as kubernetes,
        Nodes(tmp_path / "nodes", ("cp1",)) as nodes,
    ):
        nodes.join(cluster)
        nodes.file("cp1", "admin.conf").write_text(kubernetes.kubeconfig())
        cluster.write(kubernetes={"port": kubernetes.port})
        yield kubernetes


@pytest.mark.full
def test_an_orderly_end_says_nothing_of_its_tunnels(runbooks: Runbooks, cluster: Site, api: ControlPlane) -> None:
    """Started by the command, which follows it and ends with the status of a refusal."""
    del api
    since = len(runbooks.worker.output)
    words = ("start", "node-drain", cluster.name, "w9", "a test", "--mode", "plan", "--follow", "-o", "json")
    env = os.environ | {"PREFECT_API_URL": runbooks.server.api_url}
    done = subprocess.run(
        [sys.executable, "-m", "kube_runbooks", *words], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    ended = end(runbooks, json.loads(done.stdout)["run"], since)
    assert ended.state[:2] == ("Refused", "FAILED")
    assert any("cp1: connected to" in line for line in ended.log)
    for said in ("Traceback", "tunnel", "Warning"):
        assert said not in ended.all_lines
