"""Applications are frozen while `volumes_backup` cuts: a real API server, real sidecars, and nodes whose container runtime is a program.

The program runs the command of a hook on this machine, as a container runtime runs it in a container. A freeze writes a file
into the volume, so the snapshot says whether it was cut meanwhile.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.volumes_backup import volumes_backup
from tasks.clients.ssh import login
from tasks.core.errors import FailedForGood, Refused, TimedOut
from tasks.core.models.plan import Mode, PlanOrApply
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.volumes.models.freezes import FreezeJournal
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.scripts import hooks as scripts
from tests.servers.binaries import is_here
from tests.servers.csi.storage import LIMIT, SNAPSHOTTER_VERSION, Storage
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.restricted import kubeconfig_for
from tests.servers.runtime import give_runtime
from tests.servers.shop import Shop
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("prefect"),
    pytest.mark.skipif(
        not is_here("csi-snapshotter", SNAPSHOTTER_VERSION),
        reason=f"it is built from the Go module proxy: `make binaries ARGS=csi-snapshotter={SNAPSHOTTER_VERSION}`",
    ),
]

ROOT = Path(__file__).parents[2]

SYSTEMD_RUN = """\
#!/bin/sh
for word; do
  case $word in --on-active=*) limit=${word#--on-active=} ;; esac
  script=$word
done
setsid sh -c "sleep $limit; exec sh $script" > /dev/null 2>&1 < /dev/null &
"""
"""A timer that cannot be stopped: what it runs finds nothing to do."""


@pytest.fixture(scope="module")
def storage(two_workers: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Of the cluster of this file."""
    with Storage(two_workers, tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Of both workers."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as made:
        yield made


@pytest.fixture(scope="module")
def user(storage: Storage) -> str:
    """A kubeconfig with the rights that `kube-runbooks check` asks for: no right to run commands in pods."""
    return kubeconfig_for(storage.cluster, "volumes_backup")


class Frozen:
    """A StatefulSet with a claim, its hook, and the nodes that it can freeze it on."""

    def __init__(self, site: Site, shop: Shop, storage: Storage, folder: Path) -> None:
        self.site, self.shop, self.storage, self.folder = site, shop, storage, folder
        claim = storage.claim(shop.name, "data-db-0", text="written")
        self.data = storage.data(claim)
        self.marker = self.data / "frozen"
        self.hook: dict[str, Any] = {
            "name": "touch",
            "namespace": shop.name,
            "labels": "app=db",
            "container": "main",
            "freeze": ["touch", str(self.marker)],
            "thaw": ["rm", str(self.marker)],
        }

    def run_pods(self, replicas: int = 1, **notes: str) -> None:
        """Each mounts the claim."""
        pod = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]}
        annotations = {f"hollow/{name}": value for name, value in notes.items()}
        if notes:
            self.shop.make("statefulset/db", replicas, pod=pod, notes=annotations)
        else:
            self.shop.run("statefulset/db", replicas, pod=pod)

    def phases(self) -> list[str]:
        """Of its pods."""
        return [one.get("status", {}).get("phase", "") for one in self.shop.pods("statefulset/db")]

    def configure(self, *hooks: dict[str, Any], **changes: object) -> None:
        """The profile's hooks: the one of this namespace, with fields changed, and others."""
        self.site.write(volumes={"hooks": [self.hook | changes, *hooks]})

    def run(self, mode: PlanOrApply = Mode.APPLY, **options: object) -> Report:
        """The runbook on the namespace."""
        return volumes_backup(
            self.site.name,
            Selection(namespaces=(self.shop.name,)),
            mode,
            VolumeOptions.model_validate(options),
            Retention(last=5),
        )

    def manifests(self) -> list[dict[str, Any]]:
        """In the bucket, oldest first."""
        return [json.loads(self.site.read(key)) for key in sorted(self.site.keys(f"{self.site.name}/volumes/"))]

    def journals(self) -> list[str]:
        """Their keys."""
        return self.site.keys(f"{self.site.name}/volumes-frozen/")

    def snapshots(self) -> list[Resource]:
        """Of the namespace."""
        return self.storage.snapshots(self.shop.name)

    def calls(self) -> list[str]:
        """What the container runtime was asked, in order: `ps`, or the first word of the command."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return ["ps" if line.startswith("ps ") else line.partition(" exec ")[2].split()[4] for line in lines]


@pytest.fixture
def nodes(site: Site, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """They have programs of the test before all others, and a folder of the test in the place of /run."""
    give_runtime(site, sshd, tmp_path, monkeypatch, {"systemd-run": SYSTEMD_RUN})
    monkeypatch.setattr(scripts, "FOLDER", tmp_path / "run")
    return site


@pytest.fixture
def frozen(nodes: Site, shop: Shop, storage: Storage, user: str, tmp_path: Path) -> Iterator[Frozen]:
    """Whatever a test leaves goes with its namespace."""
    nodes.use_api(user)
    made = Frozen(nodes, shop, storage, tmp_path)
    made.configure()
    yield made
    storage.driver.why_not = ""
    are_ready = lambda: all(one.get("status", {}).get("readyToUse") for one in made.snapshots())  # noqa: E731
    wait_until(are_ready, LIMIT, "what is begun is finished")
    storage.forget(shop.name)


def test_a_snapshot_is_cut_while_the_application_is_frozen(frozen: Frozen) -> None:
    """The plan freezes nothing. The snapshot has what the freeze wrote; afterwards nothing is frozen, and no journal is left."""
    frozen.run_pods()
    plan = frozen.run(Mode.PLAN)
    assert plan.summary[0].endswith("while 1 container would be frozen")
    assert plan.plan
    assert "freeze the container main: `touch " in plan.plan.steps[0].act
    assert (frozen.calls(), frozen.journals()) == (["ps"], [])

    report = frozen.run()
    (manifest,) = frozen.manifests()
    (quiesced,) = manifest["quiesced"]
    assert (quiesced["hook"], quiesced["pod"], quiesced["claims"]) == (
        "touch",
        f"{frozen.shop.name}/db-0",
        [f"{frozen.shop.name}/data-db-0"],
    )
    assert 0 < quiesced["seconds"] < 30
    assert any(line.startswith(f"{frozen.shop.name}/db-0: the container main was frozen") for line in report.summary)
    (record,) = manifest["records"]
    cut = frozen.storage.driver.snapshots / record["handle"] / "data"
    assert sorted(one.name for one in cut.iterdir()) == ["file", "frozen"]
    assert (frozen.marker.exists(), frozen.journals()) == (False, [])
    assert frozen.calls()[-4:] == ["ps", "touch", "ps", "rm"]

    frozen.run(use_hooks=False)
    assert frozen.manifests()[-1]["quiesced"] == []


def test_what_cannot_be_frozen_refuses_the_run_before_anything_is(frozen: Frozen) -> None:
    """A pod that is not ready, a container that does not exist, a runtime that does not know it."""
    frozen.run_pods(1, ready="false")
    wait_until(lambda: frozen.phases() == ["Running"], LIMIT, "runs")
    with pytest.raises(Refused, match="its container main is not ready"):
        frozen.run()
    frozen.configure(container="other")
    with pytest.raises(Refused, match="the pod has no container other, it has main"):
        frozen.run()
    frozen.shop.annotate_pods("statefulset/db", ready=None)
    frozen.shop.api.delete(f"{frozen.shop.pods_path}/db-0")
    frozen.shop.wait_available("statefulset/db", 1)
    (frozen.folder / "gone").touch()
    frozen.configure()
    with pytest.raises(Refused, match="the container runtime of w. does not run the container"):
        frozen.run()
    assert (set(frozen.calls()), frozen.snapshots(), frozen.journals()) == ({"ps"}, [], [])


def test_a_freeze_that_fails_thaws_the_others_and_takes_no_snapshot(
    frozen: Frozen, caplog: pytest.LogCaptureFixture
) -> None:
    """The error has the command to try, and not what it printed."""
    frozen.run_pods()
    broken = frozen.hook | {"name": "broken", "freeze": ["sh", "-c", "echo told$((40 + 2)); exit 3"], "thaw": ["true"]}
    frozen.configure(broken)
    with pytest.raises(Refused, match="the command of the hook broken that freezes failed: status 3") as error:
        frozen.run()
    assert "kubectl -n" in error.value.hint
    assert (frozen.marker.exists(), frozen.snapshots(), frozen.journals()) == (False, [], [])
    assert not any("told42" in text for text in (*frozen.site.texts(), str(error.value), caplog.text))


def test_a_storage_that_is_too_slow_is_not_waited_for_by_a_frozen_application(frozen: Frozen) -> None:
    """The run fails when the time of the hook is over, and the application goes on."""
    frozen.run_pods()
    frozen.configure(limit="3s")
    frozen.storage.driver.why_not = "the pool is full"
    with pytest.raises(TimedOut, match="did not cut the snapshots while the containers were frozen") as error:
        frozen.run()
    assert "--no-use-hooks" in error.value.hint
    assert (frozen.marker.exists(), frozen.manifests(), frozen.journals()) == (False, [], [])


def test_a_thaw_that_fails_is_loud_and_the_next_run_thaws_first(frozen: Frozen) -> None:
    """The journal stays until it is thawed, and no backup is made of a frozen application."""
    frozen.run_pods()
    works = frozen.folder / "works"
    frozen.configure(thaw=["sh", "-c", f"test -e {works} && rm {frozen.marker}"], limit="5s")
    with pytest.raises(FailedForGood, match="MAY STILL BE FROZEN") as error:
        frozen.run()
    with pytest.raises(FailedForGood, match="left frozen: .* MAY STILL BE FROZEN") as again:
        frozen.run()
    assert f"; then delete s3://{frozen.site.bucket}/{frozen.journals()[0]}" in again.value.hint
    assert f"kubectl -n {frozen.shop.name} exec db-0 -c main -- sh -c" in error.value.hint
    assert (frozen.marker.exists(), frozen.manifests(), len(frozen.journals())) == (True, [], 1)

    (key,) = frozen.journals()
    journal = FreezeJournal.model_validate_json(frozen.site.read(key))
    over = journal.model_copy(update={"until": datetime.now(UTC) - timedelta(seconds=1)})
    frozen.site.s3.client().put_object(Bucket=frozen.site.bucket, Key=key, Body=over.model_dump_json().encode())
    works.touch()
    report = frozen.run()
    thawed = next(one.evidence for one in report.done if one.step == "thaw containers")
    assert thawed == {"thawed": [f"{frozen.shop.name}/db-0 main"], "over": []}
    assert (frozen.marker.exists(), len(frozen.manifests()), frozen.journals()) == (False, 1, [])


def started(frozen: Frozen, server: PrefectServer) -> subprocess.Popen[bytes]:
    """A run in a process of its own, which has frozen the application, and whose storage cuts nothing."""
    frozen.storage.driver.why_not = "the pool is full"
    parameters = {"cluster": frozen.site.name, "select": {"namespaces": [frozen.shop.name]}, "mode": "apply"}
    start = (
        "import runpy, sys; from pathlib import Path; from tasks.clients.ssh import login; from tasks.volumes.scripts import hooks as scripts;"
        f"login.PATH = {login.PATH!r}; scripts.FOLDER = Path({str(frozen.folder / 'run')!r});"
        "sys.argv = sys.argv[1:]; runpy.run_module('tests.servers.runner', run_name='__main__')"
    )
    words = [sys.executable, "-c", start, "tests.servers.runner", "volumes_backup", json.dumps(parameters)]
    environment = os.environ | frozen.site.environment | {"PREFECT_API_URL": server.api_url}
    run = subprocess.Popen(words, env=environment, cwd=ROOT)
    wait_until(lambda: frozen.snapshots() and frozen.marker.exists(), LIMIT, "it has frozen the application")
    return run


def test_a_run_that_is_killed_while_it_freezes_is_thawed_by_the_node(
    frozen: Frozen, prefect_server: PrefectServer
) -> None:
    """Its timer does; the next run waits for that, finds nothing frozen, and takes its snapshots."""
    frozen.run_pods()
    frozen.configure(limit="5s")
    run = started(frozen, prefect_server)
    run.kill()
    run.wait()
    assert len(frozen.journals()) == 1
    wait_until(lambda: not frozen.marker.exists(), LIMIT, "the node thaws it")
    frozen.storage.driver.why_not = ""
    report = frozen.run()
    thawed = next(one.evidence for one in report.done if one.step == "thaw containers")
    assert thawed == {"thawed": [], "over": [f"{frozen.shop.name}/db-0 main"]}
    assert (len(frozen.manifests()), frozen.journals()) == (1, [])


def test_a_run_that_is_cancelled_while_it_freezes_thaws(frozen: Frozen, prefect_server: PrefectServer) -> None:
    """Prefect cancels by SIGTERM. Without a journal, nobody else has to look."""
    frozen.run_pods()
    frozen.configure(limit="60s")
    run = started(frozen, prefect_server)
    run.terminate()
    run.wait()
    assert (frozen.marker.exists(), frozen.journals(), frozen.manifests()) == (False, [], [])
    assert frozen.calls()[-1] == "rm"
