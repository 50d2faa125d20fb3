"""The runbooks as operators have them: a Prefect server, a process worker, and `prefect deploy --all` of this repository."""

import os
import shlex
import signal
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from time import sleep
from typing import Any

import pytest
from pyrage import x25519

from tests.servers.etcd import EtcdCluster
from tests.servers.kubeadm import ControlPlane
from tests.servers.proxies import Hold, S3Proxy
from tests.servers.runbooks import (
    AUDIT,
    BACKUP,
    DEPLOYMENTS,
    DRILL,
    HEALTH,
    INVENTORY,
    LIMITS,
    MAINTENANCE,
    PATCH,
    RESOURCES,
    RESOURCES_DRILL,
    RUN_LIMIT,
    Runbooks,
    leaks,
)
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(900)  # the first test pays for a server, a worker and a deployment


@pytest.fixture(scope="module")
def runbooks(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Runbooks]:
    """A server that may be restarted; whatever the tests did, no secret is anywhere when they are done."""
    folder = tmp_path_factory.mktemp("runbooks")
    with EtcdCluster(folder / "etcd", ("solo",)) as etcd:
        etcd.seed(5000, 4000, ratio=1)  # 20 MB in three parts
        with Runbooks(folder, etcd, s3) as made:
            yield made
            assert leaks(made) == []


@pytest.fixture
def cluster(runbooks: Runbooks) -> Iterator[Site]:
    """A cluster that no other test backs up; its runs have ended when the next test begins."""
    yield runbooks.new_cluster()
    runbooks.wait_until(runbooks.all_have_ended, "all runs end")


@pytest.fixture
def proxy(cluster: Site) -> Iterator[S3Proxy]:
    """Between the worker and the bucket of this test."""
    with S3Proxy(cluster.s3.endpoint) as made:
        cluster.write(store={"endpoint": made.endpoint})
        yield made


def in_mid_stream(proxy: S3Proxy) -> Hold:
    """A backup's second part will stop on its way."""
    return Hold(proxy.on(method="PUT", query="partNumber=2"), RUN_LIMIT)


def test_deploy_all_deploys_every_runbook_and_again_changes_nothing(runbooks: Runbooks) -> None:
    """With schedules, their time zones and parameters, and one run at a time."""
    deployed = runbooks.deployed
    again = runbooks.deploy((BACKUP, AUDIT))
    assert [one["id"] for one in again.values()] == [deployed[name]["id"] for name in again]
    assert [len(one["schedules"]) for one in again.values()] == [2, 1]
    schedules = {
        (name, found["slug"], found["schedule"]["cron"], found["schedule"]["timezone"], str(found["parameters"]))
        for name, deployment in deployed.items()
        for found in deployment["schedules"]
    }
    assert schedules == {
        (BACKUP, "hourly", "17 * * * *", "UTC", "{}"),
        (BACKUP, "weekly-with-drill", "47 3 * * 0", "UTC", "{'drill': True}"),
        (RESOURCES, "hourly", "27 * * * *", "UTC", "{}"),
        (RESOURCES, "weekly-verify-all", "57 3 * * 0", "UTC", "{'verify_all': True}"),
        (DRILL, "weekly", "17 5 * * 1", "UTC", "{}"),
        (RESOURCES_DRILL, "weekly", "37 5 * * 3", "UTC", "{}"),
        (DRILL, "hourly-age-only", "37 * * * *", "UTC", "{'restore': False}"),
        (MAINTENANCE, "weekly", "37 4 * * 6", "UTC", "{'mode': 'apply'}"),
        (HEALTH, "every-ten-minutes", "*/10 * * * *", "UTC", "{}"),
        (PATCH, "hourly-in-the-window", "7 * * * *", "UTC", "{'mode': 'apply'}"),
        (INVENTORY, "daily", "27 6 * * *", "UTC", "{}"),
        (AUDIT, "daily", "43 6 * * *", "UTC", "{}"),
        ("access_drift/access-drift", "daily", "49 6 * * *", "UTC", "{}"),
    }
    assert (LIMITS[BACKUP], LIMITS[DRILL], LIMITS[MAINTENANCE]) == (1, 1, 1)
    assert sum(len(deployment["schedules"]) for deployment in deployed.values()) == len(schedules)
    assert runbooks.server.api("POST", "/deployments/count", {}) == len(deployed)
    for name, deployment in deployed.items():
        assert deployment["parameters"] == {"cluster": "example"}
        if name not in LIMITS:  # what excludes its runs is the lock of the cluster or of a workload
            assert deployment["global_concurrency_limit"] is None
        else:
            assert deployment["global_concurrency_limit"]["limit"] == LIMITS[name]
            assert deployment["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_every_field_of_the_form_is_explained_and_bounded(runbooks: Runbooks) -> None:
    """What the UI makes its form of, and the API its checks: for every runbook, and for the rules inside."""
    schemas = {name: runbooks.deployment(name)["parameter_openapi_schema"] for name in DEPLOYMENTS}
    backup, drill = (schemas[name]["properties"] for name in (BACKUP, DRILL))
    retention = schemas[BACKUP]["definitions"]["Retention"]["properties"]
    assert set(backup) == {"cluster", "retention", "drill", "route", "member", "allow_no_quorum", "pki"}
    assert set(drill) == {"cluster", "backup", "restore"}
    assert set(retention) == {"last", "hourly", "daily", "weekly", "monthly", "yearly", "within"}
    for schema in schemas.values():
        form = schema["properties"]
        parts = [part.get("properties", {}) for part in schema.get("definitions", {}).values()]
        every = [(name, field) for part in (form, *parts) for name, field in part.items()]
        assert [name for name, field in every if not field.get("description", "").strip()] == []
        assert form["cluster"]["pattern"] == "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
    assert backup["route"]["enum"] == ["auto", "direct", "tunnel", "node"]
    assert (backup["member"]["minLength"], backup["member"]["maxLength"]) == (1, 253)
    assert (drill["backup"]["minLength"], drill["backup"]["maxLength"]) == (1, 100)
    counts = [field for name, field in retention.items() if name != "within"]
    assert {(field["minimum"], field["maximum"]) for field in counts} == {(0, 100_000)}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"cluster": "example", "retention": {"last": -1}}, "retention"),
        ({"cluster": "example", "retention": {"lust": 3}}, "retention"),
        ({"cluster": "../example"}, "cluster"),
        ({"cluster": "example", "route": "carrier-pigeon"}, "route"),
    ],
)
def test_the_api_refuses_a_wrong_value_and_names_its_field(
    runbooks: Runbooks, parameters: dict[str, Any], field: str
) -> None:
    """Before there is a run."""
    answer = runbooks.request(parameters=parameters)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert f"Validation failed for field '{field}" in answer.json()["detail"]


def test_a_retention_that_keeps_nothing_fails_before_anything_is_touched(runbooks: Runbooks, cluster: Site) -> None:
    """No field alone is wrong, so the run itself says it."""
    ended = runbooks.end_of(runbooks.start(cluster, retention={"last": 0}))
    assert ended["state_name"] == "Failed"
    assert "keeps nothing: give at least one of last, hourly, daily" in ended["state"]["message"]
    assert cluster.keys() == []


def test_each_scheduled_run_of_a_batch_makes_a_backup_of_its_own(runbooks: Runbooks) -> None:
    """Of the cluster that prefect.yaml names. The scheduler makes the runs of a batch with ids that begin alike."""
    deployment = runbooks.deployment(BACKUP)["id"]
    soon = {"interval": 30, "anchor_date": datetime.now(UTC).isoformat()}
    [schedule] = runbooks.server.api(
        "POST", f"/deployments/{deployment}/schedules", [{"schedule": soon, "active": True, "slug": "soon"}]
    )
    completed = {"state": {"type": {"any_": ["COMPLETED"]}}}
    wanted = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}, **completed}}

    def batch() -> list[dict[str, Any]]:
        """The most completed runs of one batch. Where a backup takes long, the next run of its batch is cancelled."""
        batches: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run in runbooks.server.api("POST", "/flow_runs/filter", wanted):
            batches[run["id"][:8]].append(run)
        return max(batches.values(), key=len, default=[])

    try:
        runbooks.wait_until(lambda: len(batch()) > 1, "two scheduled runs of one batch have completed")
    finally:
        runbooks.server.api("DELETE", f"/deployments/{deployment}/schedules/{schedule['id']}")
    runs = batch()
    manifests = runbooks.example.manifests()
    assert {run["id"] for run in runs} <= {manifest["flow_run"] for manifest in manifests}
    for run in runs:
        [mine] = [manifest["id"] for manifest in manifests if manifest["flow_run"] == run["id"]]
        report = runbooks.artifacts(run["id"])[f"{runbooks.example.name}-etcd-backup-to-s3-report"]
        assert f"backup {mine} in s3://" in report
    runbooks.wait_until(runbooks.all_have_ended, "all runs end")


def test_incident_tooling_may_ask_twice(runbooks: Runbooks, cluster: Site) -> None:
    """The same idempotency key is the same run: 201, then 200, and one backup."""
    body: dict[str, Any] = {
        "parameters": {"cluster": cluster.name, "drill": True},
        "idempotency_key": f"INC-4711-{cluster.name}",
        "labels": {"incident": "INC-4711"},
    }
    first, second = runbooks.request(**body), runbooks.request(**body)
    assert (first.status_code, second.status_code) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert first.json()["id"] == second.json()["id"]
    assert runbooks.end_of(first.json()["id"])["state_name"] == "Completed"
    third = runbooks.request(**body)
    assert (third.status_code, third.json()["state_name"]) == (HTTPStatus.OK, "Completed")
    [manifest] = cluster.manifests()
    assert manifest["flow_run"] == first.json()["id"]
    assert manifest["drill"]


def test_a_run_that_is_due_while_another_runs_is_cancelled(runbooks: Runbooks, cluster: Site, proxy: S3Proxy) -> None:
    """It touches nothing, and the first one is not disturbed."""
    held = in_mid_stream(proxy)
    first = runbooks.start(cluster)
    with held:
        second = runbooks.end_of(runbooks.start(cluster))
        assert runbooks.run(first)["state_name"] == "Running"
    assert second["state_name"] == "Cancelled"
    assert "concurrency" in second["state"]["message"]
    assert runbooks.end_of(first)["state_name"] == "Completed"
    assert [report["run_id"] for report in cluster.reports()] == [first]
    assert [manifest["flow_run"] for manifest in cluster.manifests()] == [first]
    assert not any(second["id"] in request.path for request in proxy.requests)


def test_a_killed_run_says_where_it_was_and_the_command_it_names_completes_it(
    runbooks: Runbooks, cluster: Site, proxy: S3Proxy
) -> None:
    """SIGKILL in mid-stream leaves no backup; the retry clears up and makes exactly one."""
    held = in_mid_stream(proxy)
    run_id = runbooks.start(cluster)
    with held:
        os.kill(int(runbooks.run(run_id)["infrastructure_pid"]), signal.SIGKILL)
    assert runbooks.end_of(run_id)["state_name"] == "Crashed"
    runbooks.wait_until(lambda: cluster.reports()[-1]["outcome"] != "running", "the crash's report")
    [crashed] = cluster.reports()
    assert (crashed["outcome"], crashed["doing"]) == ("crashed", "take snapshot")
    assert crashed["next_step"] == f"prefect flow-run retry {run_id}"
    # The hook shows the report after it has kept it.
    shown = f"{cluster.name}-etcd-backup-to-s3-report"
    runbooks.wait_until(lambda: shown in runbooks.artifacts(run_id), "the report is shown")
    assert "crashed" in runbooks.artifacts(run_id)[shown].partition("\n")[0]
    assert (cluster.manifests(), cluster.data(), len(cluster.uploads())) == ([], [], 1)

    runbooks.server.cli(*shlex.split(crashed["next_step"])[1:])
    assert runbooks.end_of(run_id)["state_name"] == "Completed"
    [manifest] = cluster.manifests()
    assert cluster.data() == [manifest["snapshot"]["key"]]
    assert cluster.uploads() == []
    assert [(report["outcome"], report["attempt"]) for report in cluster.reports()] == [
        ("crashed", 1),
        ("completed", 2),
    ]
    assert "deprecated" not in runbooks.worker.output


def test_a_cancelled_run_aborts_its_upload_and_says_how_to_go_on(
    runbooks: Runbooks, cluster: Site, proxy: S3Proxy
) -> None:
    """Cancel in the UI, in mid-stream: nothing of it is left in the bucket but its report."""
    proxy.on(method="PUT", query="partNumber=2").then(lambda _: sleep(4)).reset()  # for as long as it takes to cancel
    run_id = runbooks.start(cluster)
    runbooks.wait_until(lambda: proxy.seen(query="partNumber=2"), "the second part")
    runbooks.server.api("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    assert runbooks.end_of(run_id)["state_name"] == "Cancelled"
    runbooks.wait_until(lambda: cluster.reports()[-1]["outcome"] == "cancelled", "the report of the cancellation")
    [cancelled] = cluster.reports()
    assert cancelled["doing"] == "take snapshot"
    assert cancelled["next_step"] == f"prefect flow-run retry {run_id}"
    assert (cluster.manifests(), cluster.data(), cluster.uploads()) == ([], [], [])


def test_a_run_survives_a_restart_of_the_prefect_server(runbooks: Runbooks, cluster: Site, proxy: S3Proxy) -> None:
    """Backup, report and state are complete, and the worker is still there for the next run."""
    held = in_mid_stream(proxy)
    run_id = runbooks.start(cluster)
    with held:
        runbooks.server.restart()
    assert runbooks.end_of(run_id)["state_name"] == "Completed"
    assert [report["outcome"] for report in cluster.reports()] == ["completed"]
    assert [manifest["flow_run"] for manifest in cluster.manifests()] == [run_id]
    assert "completed" in runbooks.artifacts(run_id)[f"{cluster.name}-etcd-backup-to-s3-report"].partition("\n")[0]
    assert runbooks.worker.alive


def test_no_secret_is_in_prefects_database_in_any_log_or_in_the_bucket(runbooks: Runbooks, cluster: Site) -> None:
    """Not even when everything logs all it does, and the control plane's keys are kept; the search finds what is there."""
    loud = {"PREFECT_LOGGING_ROOT_LEVEL": "DEBUG", "PREFECT_LOGGING_EXTRA_LOGGERS": "botocore,paramiko"}
    recipient = str(x25519.Identity.generate().to_public())
    with ControlPlane(cluster.folder / "control-plane", ("cp1",)) as nodes:
        nodes.join(cluster)
        cluster.write(backup={"recipients": [recipient]})
        parameters = {"cluster": cluster.name, "route": "tunnel", "pki": True}
        run = runbooks.end_of(runbooks.request(parameters=parameters, job_variables={"env": loud}).json()["id"])
        keys = [content.decode() for path, content in nodes.files("cp1").items() if path.endswith(".key")]
    assert run["state_name"] == "Completed"
    assert cluster.manifests()[0]["pki"]["recipients"] == [recipient]
    assert len(keys) == 4
    assert all(key.splitlines()[1] in cluster.secrets for key in keys)
    for text, places in (
        (cluster.name, ("flow_run.parameters", "log.message")),
        ("pki.tar.age", ("log.message",)),
    ):
        wanted = {*(f"database: {column}" for column in places), "file: worker.log", f"bucket: {cluster.bucket}"}
        # The server writes what a run logged some seconds later, and first into its write-ahead log.
        runbooks.wait_until(partial(runbooks.is_in, text, wanted), f"{text} is found")
        assert any(place.startswith("file: home/prefect.db") for place, _ in runbooks.places_of(text))
    assert leaks(runbooks) == []
