"""The runbooks as operators have them: a Prefect server, a process worker, and `prefect deploy --all` of this repository."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

RUN_LIMIT = 200.0
"""Seconds until a run has to be in a state: a worker takes 6 to 10 for a backup, but SQLite may stand still for 60."""

ENDED = {"Completed", "Skipped", "Refused", "Failed", "Crashed", "Cancelled"}
BACKUP, DRILL = "etcd_backup_to_s3/etcd-backup", "etcd_restore_drill/etcd-restore-drill"
RESTORE, MAINTENANCE = "etcd_restore_from_s3/etcd-restore", "etcd_maintenance/etcd-maintenance"
HEALTH, UPGRADE = "etcd_health/etcd-health", "rolling_upgrade/rolling-upgrade"
PATCH = "node_os_patch/node-os-patch"
ROLLOUT = "workload_rollout/workload-rollout"
INVENTORY = "certificate_inventory/certificate-inventory"
AUDIT = "access_audit/access-audit"
RESOURCES = "resources_backup_to_s3/resources-backup"
RESOURCES_DRILL = "resources_restore_drill/resources-restore-drill"
USER_ACCESS = "user_access/user-access"
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = tuple(f"{one['entrypoint'].rpartition('.')[2]}/{one['name']}" for one in PROJECT["deployments"])
LIMITS = {
    name: one["concurrency_limit"]["limit"]
    for name, one in zip(DEPLOYMENTS, PROJECT["deployments"], strict=True)
    if "concurrency_limit" in one
}
"""How many runs Prefect lets go on at a time; of the others that is the lock's affair."""

QUICKLY = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}


class Runbooks:
    """The repository, deployed: a server and a worker of their own, and a cluster's profile for each test."""

    def __init__(
        self, folder: Path, etcd: EtcdCluster, s3: S3Server, *, ui: bool = False, only: Sequence[str] = DEPLOYMENTS
    ) -> None:
        """Each of `only` takes seconds to deploy."""
        self._deployments = only
        self.server = PrefectServer(folder / "prefect", ui=ui, settings=QUICKLY)
        self.folder = folder
        self._etcd = etcd
        self._s3 = s3
        self.example = self._site("example")
        """The cluster that prefect.yaml names, so what a schedule without parameters backs up."""
        self.sites = [self.example]

    def __enter__(self) -> Self:
        try:
            self.server.start()
            self.worker = self.server.worker("runbooks", env=self.example.environment)
            self.deployed = self.deploy(self._deployments)
            """What the API had right after the first `prefect deploy`."""
        except BaseException:
            self.server.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def deploy(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the API has after `prefect deploy` of these; then the schedules sleep, for :17 comes in every hour."""
        named = [f"--name={name.partition('/')[2]}" for name in names]
        self.server.cli("--no-prompt", "deploy", *(["--all"] if names == DEPLOYMENTS else named))
        deployed = {name: self.deployment(name) for name in names}
        for deployment in deployed.values():
            for schedule in deployment["schedules"]:
                path = f"/deployments/{deployment['id']}/schedules/{schedule['id']}"
                self.server.api("PATCH", path, {"active": False})
        return deployed

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment, as the API has it."""
        found: dict[str, Any] = self.server.api("GET", f"/deployments/name/{name}")
        return found

    def new_cluster(self) -> Site:
        """Another cluster of the same worker, with a bucket of its own; its etcd is everybody's."""
        site = self._site(f"cluster-{len(self.sites)}")
        site.clusters = self.example.clusters
        site.write()
        self.sites.append(site)
        return site

    def _site(self, name: str) -> Site:
        self._s3.create_bucket(name)
        return Site(self.folder / name, name, self._etcd, self._s3)

    def request(self, runbook: str = BACKUP, **body: Any) -> httpx.Response:  # noqa: ANN401 - any JSON
        """The answer to a request for a run, as incident tooling would send it."""
        return self.server.request("POST", f"/deployments/{self.deployment(runbook)['id']}/create_flow_run", body)

    def start(self, site: Site, runbook: str = BACKUP, **parameters: Any) -> str:  # noqa: ANN401 - any JSON
        """The id of a new run."""
        answer = self.request(runbook, parameters={"cluster": site.name, **parameters})
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        return str(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A flow run, as the API has it."""
        found: dict[str, Any] = self.server.api("GET", f"/flow_runs/{run_id}")
        return found

    def end_of(self, run_id: str) -> dict[str, Any]:
        """A flow run, once it has ended."""
        self.wait_until(lambda: self.run(run_id)["state_name"] in ENDED, "the run ends")
        return self.run(run_id)

    def all_have_ended(self) -> bool:
        """Is no run left that would take the place of the next one?"""
        unfinished = {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING"]}}}
        return not self.server.api("POST", "/flow_runs/filter", {"flow_runs": unfinished})

    def wait_until(self, question: Callable[[], object], what: str) -> None:
        """Without haste: Prefect on SQLite answers 503 to those who ask too often."""
        wait_until(question, RUN_LIMIT, what, log=self.worker.log, every=0.3)

    def artifacts(self, run_id: str) -> dict[str, str]:
        """What the UI shows of a run: data by key."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [run_id]}}}
        return {found["key"]: found["data"] for found in self.server.api("POST", "/artifacts/filter", wanted)}

    def places_of(self, *texts: str) -> list[tuple[str, str]]:
        """Which text is where: columns of Prefect's database, files below PREFECT_HOME, logs, buckets."""
        wanted = [text.encode() for text in texts]
        stores = (*self._columns(), *self._files(), *self._objects())
        return sorted({(place, text.decode()) for place, stored in stores for text in wanted if text in stored})

    def is_in(self, text: str, places: set[str]) -> bool:
        """Is the text in all of these?"""
        return places <= {place for place, _ in self.places_of(text)}

    def _columns(self) -> Iterator[tuple[str, bytes]]:
        with closing(sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows = database.execute(f'SELECT * FROM "{table.decode()}"')  # noqa: S608 - a name of its own
                columns = [column for column, *_ in rows.description]
                for row in rows:
                    for column, value in zip(columns, row, strict=True):
                        if isinstance(value, bytes):
                            yield f"database: {table.decode()}.{column}", value

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for path in self.server.folder.rglob("*"):
            if path.is_file():
                yield f"file: {path.relative_to(self.server.folder)}", path.read_bytes()

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        for site in self.sites:
            for text in site.texts():
                yield f"bucket: {site.bucket}", text.encode()


def leaks(runbooks: Runbooks) -> list[tuple[str, str]]:
    """Where secrets are, and how they begin: a failed assertion is a log, too."""
    secrets = {secret for site in runbooks.sites for secret in site.secrets}
    return [(place, secret[:6]) for place, secret in runbooks.places_of(*secrets)]
