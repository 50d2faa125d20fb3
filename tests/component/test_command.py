"""The command `kube-runbooks` on real servers: what it prints, and its exit status."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from kube_runbooks.app import app
from tasks.cluster import open_cluster
from tasks.core.models.plan import Skip
from tasks.core.models.report import Outcome, Report
from tasks.volumes.models.backups import VolumeBackup
from tasks.volumes.store import volumes_of
from tasks.volumes_restore.models.options import LATEST, ClaimsToRestore
from tasks.volumes_restore.observe import read_backup
from tests.facts.restore import NOON
from tests.facts.restore import backup as etcd_backup
from tests.facts.volumes import archive, backup
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(900)  # each call starts a Python of its own, and some a Prefect server

COMMAND = [sys.executable, "-m", "kube_runbooks"]


class Ended(NamedTuple):
    """A command that was called: its exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it prints
        """Standard output has one document and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def call(site: Site) -> Callable[..., Ended]:
    """Calls it as a user does, with a server of the run's own."""

    def made(*words: str, **environment: str) -> Ended:
        inherited = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        done = subprocess.run(
            [*COMMAND, *words],
            env=inherited | site.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return made


def test_a_run_is_a_line_and_its_backup_is_found_again(site: Site, call: Callable[..., Ended]) -> None:
    """With the outcome as its status; what is in the bucket is read without a server."""
    made = call("run", "etcd-backup", site.name, "-o", "json", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert (made.status, made.json["outcome"], made.json["problem"]) == (0, "completed", ""), made.err
    assert "Prefect server: none (http://127.0.0.1:1/api does not answer: " in made.err
    run = made.json["report"]["run_id"]
    assert "telemetry" not in made.err
    [backup] = call("backups", site.name, "-o", "json").json
    assert backup["id"].endswith(run)
    shown = call("backups", "show", backup["id"], "-o", "json").json
    assert shown["flow_run"] == run
    assert yaml.safe_load(call("backups", "show", backup["id"]).out) == shown
    assert [one["run"] for one in call("reports", site.name, "--output", "json").json] == [run]
    assert call("report", run, "-o", "json").json["outcome"] == "completed"
    shown = call("report", run)
    assert shown.out.startswith(f"# etcd-backup of {site.name}: completed")
    assert backup["id"] in call("backups", site.name).out


@pytest.mark.full
def test_a_plan_is_what_a_run_prints_that_only_plans(site: Site, call: Callable[..., Ended]) -> None:
    """With what it leaves alone, and why; the log is on the other stream."""
    planned = call("run", "etcd-maintenance", site.name)
    assert planned.out.startswith("## Plan "), planned.err
    assert "### Left alone\n\n- **" in planned.out
    assert "worth it are 100 MiB and 50 %" in planned.out
    assert planned.out.endswith(f"\nrun maintenance-{site.name}: completed\n")
    [listed] = call("reports", site.name, "-o", "json").json
    run = listed["run"]
    assert (listed["runbook"], listed["mode"]) == ("etcd-maintenance", "plan")
    head, line = call("reports", site.name).out.splitlines()
    assert head.split() == ["RUN", "STARTED", "AT", "RUNBOOK", "MODE", "OUTCOME"]
    assert line.split()[-3:] == ["etcd-maintenance", "plan", "completed"]
    assert f"The whole report: kube-runbooks report {run}\n" in planned.err


def test_a_refused_run_says_why_and_what_next(site: Site, call: Callable[..., Ended]) -> None:
    """Its status is another one than that of a failure."""
    refused = call("run", "etcd-restore", site.name, "-o", "json")
    assert (refused.status, refused.json["outcome"]) == (3, "refused")
    assert "the bucket has no backup of this cluster" in refused.json["problem"]
    assert refused.json["next_step"]
    assert refused.json["report"]["outcome"] == "refused"
    assert "Traceback" not in refused.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("run", "etcd-health", "nosuch"), "cluster 'nosuch' is unknown"),
        (("backups", "nosuch"), "cluster 'nosuch' is unknown"),
        (
            ("run", "etcd-backup", "SITE", "--retention-last", "abc"),
            "--retention-last: 'abc': write a whole number",
        ),
        (("run", "etcd-backup", "SITE", "--route", "x"), 'Invalid value "x" for --route'),
        (
            ("run", "rolling-upgrade", "SITE"),
            "VERSION is missing: the target version, for example 1.37.2\n"
            "Usage: kube-runbooks run rolling-upgrade CLUSTER VERSION [OPTIONS]\n"
            "Example: kube-runbooks run rolling-upgrade prod 1.37.2\n"
            "Next: kube-runbooks run rolling-upgrade --help\n",
        ),
        (("start", "etcd-health", "-o", "json"), "CLUSTER is missing"),
        (("init", "prod"), "--kubeconfig is missing: kubeconfig of a user"),
        (("backups", "SITE", "--limit"), "--limit has no value"),
        (("backups", "SITE", "--limit", "x"), "--limit: 'x': write a whole number"),
        (("approve", "x", "y", "-o=json"), "too many arguments: y"),
        (("deploy", "--runbok", "x"), "there is no option --runbok. Did you mean --runbook?"),
        (("run", "nosuch"), 'Unknown command "nosuch"'),
        (("backups", "show", "x"), "'x' is no id of a backup"),
    ],
)
def test_a_wrong_command_line_names_the_option_and_starts_nothing(
    site: Site, call: Callable[..., Ended], words: tuple[str, ...], problem: str
) -> None:
    """Status 2, without a run, and without a line of Python."""
    ended = call(*(site.name if word == "SITE" else word for word in words))
    assert ended.status == 2
    assert problem in ended.err
    assert "Traceback" not in ended.err
    assert ended.json["outcome"] == "usage" if any("json" in word for word in words) else ended.out == ""
    assert site.reports() == []


@pytest.mark.full
def test_what_is_not_there_is_a_failure_that_says_so(site: Site, call: Callable[..., Ended]) -> None:
    """An empty list is none."""
    missing = "20261130T154401Z-81-19b88739-12e5-4d6b-9fbf-cd8f90737d0f"
    assert call("backups", "show", missing).status == 1
    told = call("report", missing, "-o", "json")
    assert (told.status, told.json["outcome"], told.json["problem"]) == (
        1,
        "failed",
        f"there is no report of run {missing}",
    )
    assert f"kube-runbooks reports {site.name}" in told.json["next_step"]
    told = call("run", "etcd-health", "nosuch", "-o", "json")
    assert (told.status, told.json["outcome"], told.json["report"]) == (2, "usage", None)
    assert (call("backups", site.name).status, call("backups", site.name).out) == (
        0,
        f"cluster {site.name} has no backup\n",
    )


def test_backups_of_volumes_are_listed_and_shown(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """From the bucket alone, newest first; without a backup, or with another id, it says what to run."""

    def called(*words: str) -> Ended:
        status = int(app(["volumes", *words], result_action="return_value"))  # in this process: it takes no seconds
        return Ended(status, *capsys.readouterr())

    assert called("list", site.name) == (0, f"cluster {site.name} has no backup of its volumes\n", "")
    none = called("show", site.name, "-o", "json")
    assert (none.status, none.json["next_step"]) == (1, f"kube-runbooks run volumes-backup {site.name}")

    older = backup(cluster=site.name, left_out=(Skip(subject="shop/tmp", reason="its volume is of kind nfs"),))
    newer = older.model_copy(
        update={"id": older.id.replace("20261123T12", "20261124T12"), "left_out": (), "archives": (archive(),)}
    )
    for one in (newer, older):
        key = f"{site.name}/volumes/{one.id}/manifest.json"
        site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=one.model_dump_json().encode())
    text = called("list", site.name)
    assert [line.split()[:5] for line in text.out.splitlines()[1:]] == [
        [newer.id, "complete", "2", "1", "0"],
        [older.id, "complete", "2", "0", "1"],
    ]
    assert "all claims in shop" in text.out
    [row] = called("list", site.name, "--limit=1", "-o", "json").json
    assert (row["id"], row["taken_at"], row["series"]) == (newer.id, "2026-11-24T12:00:00Z", older.selection.series)

    assert called("show", site.name, "-o", "json").json == newer.model_dump(mode="json")
    assert VolumeBackup.model_validate(yaml.safe_load(called("show", site.name, older.id).out)) == older
    future = older.model_copy(update={"id": older.id.replace("20261123T12", "20991123T12")})
    key = f"{site.name}/volumes/{future.id}/manifest.json"
    site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=future.model_dump_json().encode())
    assert called("show", site.name, "-o", "json").json == newer.model_dump(mode="json"), "a worker's clock was wrong"
    store, chosen = volumes_of(open_cluster(site.name)), ClaimsToRestore(claims=("shop/data-db-0",))
    assert read_backup(store, LATEST, chosen).id == newer.id
    assert called("show", site.name, future.id, "-o", "json").json == future.model_dump(mode="json")
    other = called("show", site.name, "nothing")
    assert (other.status, "has no backup nothing of volumes" in other.err) == (1, True)
    assert f"kube-runbooks volumes list {site.name}" in other.err


def test_what_cannot_be_read_hides_nothing_else(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged manifest or report, or one of another version, has a line of its own in each list."""
    run = "19b88739-12e5-4d6b-9fbf-cd8f90737d0f"
    good, volumes = etcd_backup(cluster=site.name), backup(cluster=site.name)
    asked = {"cluster": site.name, "run_id": good.flow_run, "run_name": "n", "attempt": 1}
    report = Report(runbook="x", started_at=NOON, outcome=Outcome.COMPLETED, **asked)
    bodies = {
        f"etcd/{good.id}/manifest.json": good.model_dump_json(),
        f"etcd/20301124T120000Z-1-{run}/manifest.json": "{}",
        f"volumes/{volumes.id}/manifest.json": volumes.model_dump_json(),
        f"volumes/20301124T120000Z-0a1b2c3d-{run}/manifest.json": "{}",
        f"reports/x/20261124T120000Z-{good.flow_run}.json": report.model_dump_json(),
        f"reports/x/20301124T120000Z-{run}.json": "not JSON",
    }
    for key, body in bodies.items():
        site.s3.client().put_object(Bucket=site.bucket, Key=f"{site.name}/{key}", Body=body.encode())
    for words, name, fields in (
        (("backups", site.name), "id", "id, cluster"),
        (("volumes", "list", site.name), "id", "id, cluster"),
        (("reports", site.name), "run", "not JSON"),
    ):
        assert int(app([*words, "-o", "json"], result_action="return_value")) == 0
        damaged, whole = json.loads(capsys.readouterr().out)
        assert (run in damaged[name], whole["state"]) == (True, "complete")
        assert damaged["state"].startswith("cannot be read: s3://")
        assert fields in damaged["state"]
        assert int(app(words, result_action="return_value")) == 0
        assert "cannot be read: s3://" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.full)]
)
def test_a_signal_ends_a_run_with_its_own_status(site: Site, sent: signal.Signals, status: int) -> None:
    """While it waits for a store that does not answer."""
    site.write(store={"endpoint": "http://127.0.0.1:9"})
    inherited = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [*COMMAND, "run", "etcd-health", site.name]
    with subprocess.Popen(command, env=inherited | site.environment, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        said: list[object] = []
        for line in run.stderr:
            said.append(line)
            if "Flow run '" in line and sent not in said:
                run.send_signal(sent)
                said.append(sent)
    assert run.returncode == status, "".join(map(str, said))


def test_help_imports_neither_prefect_nor_a_client() -> None:
    """It answers at once; each runbook is there by itself."""
    heavy = (
        "import sys, kube_runbooks.app; print(sorted({'prefect', 'boto3', 'kubernetes', 'fabric'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"
    shown = subprocess.run([*COMMAND, "run", "--help"], capture_output=True, text=True, check=True).stdout
    assert {"etcd-backup", "etcd-restore", "rolling-upgrade"} <= set(shown.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_runbook_and_its_options(shell: str, call: Callable[..., Ended]) -> None:
    """Standard output is the script and nothing else."""
    printed = call("completion", shell)
    assert printed.status == 0, printed.err
    assert {"rolling-upgrade", "max-unavailable", "etcd-restore", "check", "deploy"} <= set(
        re.findall(r"[a-z][a-z-]*[a-z]", printed.out)
    )
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=printed.out, text=True, check=True)


def test_completion_is_installed_where_it_is_wanted(tmp_path: Path, call: Callable[..., Ended]) -> None:
    """For the shell that is named, with a line in that shell's own file."""
    done = call("--install-completion", "--shell=bash", f"--output={tmp_path / 'script'}", HOME=str(tmp_path))
    assert done.status == 0, done.err
    assert "rolling-upgrade" in (tmp_path / "script").read_text()
    assert "script" in (tmp_path / ".bashrc").read_text()
