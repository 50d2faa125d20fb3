"""`kube-runbooks deploy` on a real Prefect server: what the API has afterwards, beside what `prefect deploy` makes of prefect.yaml."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.prefect_server import PrefectServer
from tests.servers.runbooks import DEPLOYMENTS

pytestmark = pytest.mark.timeout(900)  # each call starts a Python of its own, and each deployment takes a second or two

COMMAND = [sys.executable, "-m", "kube_runbooks"]
PROFILE = {
    "etcd": {
        "endpoints": [{"url": "https://cp1.example.org:2379"}],
        "client": {name: f"file:/etc/kube-runbooks/{name}" for name in ("ca", "certificate", "key")},
    },
    "store": {"bucket": "backups"},
}
SAME = (
    *("entrypoint", "description", "parameters", "concurrency_limit", "concurrency_options", "job_variables"),
    *("work_pool_name", "work_queue_name", "enforce_parameter_schema", "parameter_openapi_schema", "path"),
)
"""What a deployment says, beside its name, its tags and where its code is."""


class Prefect:
    """A server with the work pool, a folder of profiles, and the command."""

    def __init__(self, server: PrefectServer, folder: Path) -> None:
        self.server, self.folder = server, folder

    def write(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - any YAML
        """A profile."""
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(PROFILE | fields))

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command, as a user calls it."""
        own = self.server.env | {"KUBE_RUNBOOKS_CLUSTERS": str(self.folder)} | environment
        return subprocess.run([*COMMAND, *words], env=own, capture_output=True, text=True, check=False)

    def rows(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Its exit status, and what it says of each deployment."""
        done = self.call("deploy", "-o", "json", *words)
        assert done.stdout, done.stderr
        return done.returncode, {row["deployment"]: row for row in json.loads(done.stdout)}

    def deployment(self, name: str) -> dict[str, Any]:
        """As the API has it."""
        found: dict[str, Any] = self.server.api("GET", f"/deployments/name/{name}")
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One for all, with the pool."""
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as made:
        made.cli("work-pool", "create", "runbooks", "--type", "process")
        yield made


@pytest.fixture
def prefect(server: PrefectServer, tmp_path: Path) -> Iterator[Prefect]:
    """With profiles of this test alone; its deployments go with it."""
    yield Prefect(server, tmp_path)
    for one in server.api("POST", "/deployments/filter", {}):
        server.api("DELETE", f"/deployments/{one['id']}")


def timed(deployment: dict[str, Any]) -> dict[str, tuple[str, str, bool, dict[str, Any]]]:
    """Its schedules, by slug."""
    return {
        one["slug"]: (one["schedule"]["cron"], one["schedule"]["timezone"], one["active"], one["parameters"])
        for one in deployment["schedules"]
    }


def test_every_runbook_is_deployed_for_every_profile_and_one_that_is_wrong_hides_none(prefect: Prefect) -> None:
    """By name of flow and cluster; the exit status says that something is wrong, and the row says what."""
    prefect.write(
        "prod",
        schedules={
            "etcd-health": [],
            "etcd-backup": [{"name": "x", "cron": "1 2 * * *", "parameters": {"drill": "perhaps"}}],
        },
    )
    prefect.write("broken", store={})
    prefect.write("stage", schedules={"etcd-bakup": []})
    planned = prefect.rows("--dry-run")
    assert prefect.server.api("POST", "/deployments/filter", {}) == []
    two = ("--runbook=etcd-backup", "--runbook=etcd-health")
    status, rows = prefect.rows(*two)
    assert (status, planned[0]) == (1, 1)
    flows = [name.partition("/")[0] for name in DEPLOYMENTS]
    wrong = {name: row["problem"] for name, row in rows.items() if row["problem"]}
    assert wrong.keys() == {"*/broken", "etcd-bakup/stage", "etcd_backup_to_s3/prod"}
    assert "store.bucket: is missing" in wrong["*/broken"]
    assert wrong["etcd-bakup/stage"] == "schedules: there is no runbook etcd-bakup"
    assert "etcd-backup: x: drill: 'perhaps': write true or false" in wrong["etcd_backup_to_s3/prod"]
    made = {name for name, row in rows.items() if row["done"] == "created"}
    assert made == {"etcd_health/prod", "etcd_health/stage", "etcd_backup_to_s3/stage"}
    would = {name for name, row in planned[1].items() if row["done"] == "would create"}
    assert would == {f"{flow}/{cluster}" for flow in flows for cluster in ("prod", "stage")} - wrong.keys()
    assert prefect.deployment("etcd_health/prod")["schedules"] == []
    assert prefect.deployment("etcd_health/prod")["parameters"] == {"cluster": "prod"}
    assert timed(prefect.deployment("etcd_backup_to_s3/stage")).keys() == {"hourly", "weekly-with-drill"}


def test_it_says_of_a_runbook_what_prefect_yaml_says(prefect: Prefect) -> None:
    """Each field as `prefect deploy` makes it, for one with a limit, one without, and one whose schedule is off at first."""
    names = {"etcd-backup": "etcd_backup_to_s3", "node-drain": "node_drain", "node-os-patch": "node_os_patch"}
    prefect.server.cli("--no-prompt", "deploy", *(f"--name={name}" for name in names))
    prefect.write("example")
    status, rows = prefect.rows("example", *(f"--runbook={name}" for name in names))
    assert (status, len(rows)) == (0, len(names))
    for name, flow in names.items():
        theirs, ours = prefect.deployment(f"{flow}/{name}"), prefect.deployment(f"{flow}/example")
        assert {field: ours[field] for field in SAME if field != "path"} == {
            field: theirs[field] for field in SAME if field != "path"
        }
        assert timed(ours) == timed(theirs)
        assert ours["tags"] == ["kube-runbooks", "cluster:example", *theirs["tags"]]


def test_a_pause_stays_and_a_schedule_that_is_gone_goes(prefect: Prefect) -> None:
    """Of a schedule, of a whole deployment, and of one that is on although it was made off."""
    prefect.write("prod")
    three = [f"--runbook={name}" for name in ("etcd-backup", "node-os-patch", "etcd-health")]
    assert prefect.rows(*three)[0] == 0
    backup, patch, health = (
        prefect.deployment(f"{one}/prod") for one in ("etcd_backup_to_s3", "node_os_patch", "etcd_health")
    )
    slugs = {one["slug"]: one["id"] for one in (*backup["schedules"], *patch["schedules"])}
    change = prefect.server.api
    change("PATCH", f"/deployments/{backup['id']}/schedules/{slugs['hourly']}", {"active": False})
    change("PATCH", f"/deployments/{patch['id']}/schedules/{slugs['hourly-in-the-window']}", {"active": True})
    change("POST", f"/deployments/{health['id']}/pause_deployment")
    by_hand = [{"schedule": {"cron": "9 9 * * *", "timezone": "UTC"}, "active": True}]
    change("POST", f"/deployments/{patch['id']}/schedules", by_hand)
    prefect.write(
        "prod", schedules={"etcd-backup": [{"name": "hourly", "cron": "5 * * * *", "time_zone": "Europe/Berlin"}]}
    )
    status, rows = prefect.rows(*three)
    assert (status, {row["done"] for row in rows.values()}) == (0, {"updated"})
    assert timed(prefect.deployment("etcd_backup_to_s3/prod")) == {"hourly": ("5 * * * *", "Europe/Berlin", False, {})}
    assert rows["etcd_backup_to_s3/prod"]["removed"] == ["weekly-with-drill"]
    assert timed(prefect.deployment("node_os_patch/prod"))["hourly-in-the-window"][2]
    assert rows["node_os_patch/prod"]["removed"] == ["one without a slug"]
    assert timed(prefect.deployment("node_os_patch/prod")).keys() == {"hourly-in-the-window"}
    assert prefect.deployment("etcd_health/prod")["paused"]


@pytest.mark.full
def test_a_run_is_started_by_its_cluster(prefect: Prefect) -> None:
    """Where each cluster has a deployment of the runbook."""
    for name in ("prod", "stage"):
        prefect.write(name, schedules={})
    assert prefect.rows("--runbook=etcd-health")[0] == 0
    started = prefect.call("start", "etcd-health", "stage", "-o", "json")
    assert started.returncode == 0, started.stderr
    run = prefect.server.api("GET", f"/flow_runs/{json.loads(started.stdout)['run']}")
    assert run["deployment_id"] == prefect.deployment("etcd_health/stage")["id"]
    other = prefect.call("start", "etcd-health", "nosuch")
    assert (other.returncode, "deployments of etcd_health: prod, stage" in other.stderr) == (2, True)
    alone = prefect.deployment("etcd_health/stage")["id"]
    prefect.server.api("DELETE", f"/deployments/{alone}")
    other = prefect.call("start", "etcd-health", "stage")
    assert (other.returncode, "deployments of etcd_health: prod" in other.stderr) == (2, True)


def test_without_a_pool_or_a_server_it_says_what_to_type(prefect: Prefect, tmp_path: Path) -> None:
    """And an empty folder is no success."""
    nobody = prefect.call("deploy", PREFECT_API_URL="")
    assert (nobody.returncode, "PREFECT_API_URL is not set" in nobody.stderr) == (2, True)
    assert prefect.call("deploy", KUBE_RUNBOOKS_CLUSTERS=str(tmp_path)).returncode == 2
    unknown = prefect.call("deploy", "--runbook=etcd-bakup")
    assert (unknown.returncode, "there is no runbook etcd-bakup" in unknown.stderr) == (2, True)
    prefect.write("prod")
    prefect.server.cli("work-pool", "delete", "runbooks")
    try:
        status, rows = prefect.rows()
    finally:
        prefect.server.cli("work-pool", "create", "runbooks", "--type", "process")
    assert (status, {row["done"] for row in rows.values()}) == (1, {"failed"})
    assert {row["next_step"] for row in rows.values()} == {"prefect work-pool create runbooks --type process"}


@pytest.mark.full
def test_the_doctor_looks_at_the_server_too(prefect: Prefect) -> None:
    """What is missing there is a warning with the command that mends it; runbooks run without a server."""
    prefect.write(
        "prod",
        store={"bucket": "backups", "endpoint": "http://127.0.0.1:9", "access_key": "env:NO", "secret_key": "env:NO"},
    )
    status, rows = prefect.rows("--runbook=etcd-health")
    assert status == 0, rows

    def found(**environment: str) -> dict[str, tuple[str, str, str]]:
        done = prefect.call("check", "prod", "-o", "json", **environment)
        assert done.returncode == 5, done.stderr  # the cluster is not there at all
        rows = json.loads(done.stdout)["findings"]
        return {row["subject"]: (row["state"], row["told"], row["fix"]) for row in rows if row["area"] == "prefect"}

    planned = prefect.call("deploy", "--runbook=etcd-health", "--dry-run")
    assert planned.stderr.endswith("Next: the same command without --dry-run\n")
    deployed = prefect.call("deploy", "--runbook=etcd-health")
    assert deployed.stderr.endswith("Next: prefect worker start --pool runbooks\n")
    alone = found()
    assert alone["server"][0] == "ok"
    assert alone["work pool runbooks"][0::2] == ("warn", "prefect worker start --pool runbooks")
    assert alone["deployments"][0::2] == ("warn", "kube-runbooks deploy prod")
    assert "etcd-backup" in alone["deployments"][1]
    assert "etcd-health" not in alone["deployments"][1]
    with prefect.server.worker("runbooks"):
        assert found()["work pool runbooks"] == ("ok", "online: worker", "")
        assert prefect.call("deploy", "--runbook=etcd-health").stderr.endswith("work pool runbooks: online: worker\n")
    away = found(PREFECT_API_URL="http://127.0.0.1:1/api")
    assert away.keys() == {"server"}
    assert away["server"][0::2] == ("warn", "curl http://127.0.0.1:1/api/health")
