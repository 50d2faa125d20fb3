"""A real Prefect server on loopback with a database of its own, and process workers for it."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import httpx

from tests.bootstrap.debian import CACHE
from tests.servers.binaries import ROOT
from tests.servers.processes import Process, free_port

START_LIMIT = 180.0
"""Seconds until it has to answer: the first start of an environment compiles for most of a minute."""

WORKER_LIMIT = 180.0
CLI_LIMIT = 400.0
BUSY_TRIES = 10
ANSWER_LIMIT = 100.0
"""Prefect's own wait for SQLite's write lock is 60 s, and now and then (PrefectHQ/prefect#23051) all of it is waited."""
PREFECT = (sys.executable, "-m", "prefect")

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_CLI_WRAP_LINES": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    # Leases in memory are lost with the server, and their slots are never free again.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
}


class PrefectServer:
    """A context manager: its API answers when the block begins; the server and its workers are gone when it ends."""

    def __init__(self, folder: Path, *, ui: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """`folder` becomes PREFECT_HOME; `settings` are more variables for the server and all its clients."""
        home, temporary = folder / "home", folder / "tmp"
        home.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        self.database = home / "prefect.db"
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        # A worker's storage is TMPDIR/runner_storage, which belongs to the first user of the machine that started one.
        common = own | SETTINGS | {"PREFECT_HOME": str(home), "TMPDIR": str(temporary), **(settings or {})}
        self.env: dict[str, str] = common | {"PREFECT_API_URL": self.api_url, "PYTHONPATH": str(ROOT)}
        """The whole environment of a client, flow or worker."""
        server_env = common | {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.database}",
            "PREFECT_SERVER_UI_ENABLED": str(ui).lower(),
            "PREFECT_SERVER_API_PORT": str(self.port),  # where the UI looks for the API
            "PREFECT_SERVER_UI_API_URL": self.api_url,
        }
        command = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = Process(command, folder=folder, name="prefect-server", env=server_env, cwd=folder)
        self._workers: list[Process] = []
        # One client: each new one reads all of the system's CAs, 26 ms of the processor at every question of a wait.
        # Its connections are not kept: the server closes them after 5 s, on a busy machine right before the next question.
        alone = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(trust_env=False, verify=False, limits=alone)  # noqa: S501 - loopback, without TLS

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, also again on the same port and database, and wait until it answers."""
        if not self.database.exists():
            shutil.copy(_empty_database(), self.database)
        self.process.start()
        self.process.wait_until(lambda: self.healthy, START_LIMIT, "the Prefect API answers")

    def stop(self) -> None:
        """End the workers with the runs in them, then the server."""
        for worker in self._workers:
            worker.kill()
        self.process.stop()
        self._client.close()

    def restart(self) -> None:
        """A new process on the same port and database; the workers stay."""
        self.process.stop()
        self.start()

    @property
    def healthy(self) -> bool:
        """Does the API answer?"""
        try:
            return self._client.get(f"{self.api_url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def worker(
        self, pool: str, *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, name: str = "worker"
    ) -> Process:
        """A started process worker, and its pool if missing; ends with the server, or in a block of its own."""
        command = [*PREFECT, "worker", "start", "--pool", pool, "--type", "process", "--name", name]
        worker = Process(command, folder=self.folder, name=name, env=self.env | dict(env or {}), cwd=cwd)
        self._workers.append(worker)
        worker.start()
        worker.wait_until(
            lambda: "started!" in worker.output, WORKER_LIMIT, f"worker {name} of pool {pool} has started"
        )
        return worker

    def cli(self, *arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
        """What `prefect ARGUMENTS` prints; RuntimeError with all of its output if it fails."""
        done = subprocess.run(
            [*PREFECT, *arguments],
            cwd=cwd,
            env=self.env | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=CLI_LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def api(self, method: str, path: str, json: object = None) -> Any:  # noqa: ANN401 - whatever JSON the API answers
        """Ask the API, for example `api("POST", "/flow_runs/filter", {})`; None for an answer without content."""
        answer = self.request(method, path, json)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def request(self, method: str, path: str, json: object = None) -> httpx.Response:
        """The API's answer whatever it is, but 503: then its database is locked, and it is asked again."""
        for _ in range(BUSY_TRIES):
            answer = self._ask(method, path, json)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(1)
        return self._ask(method, path, json)

    def _ask(self, method: str, path: str, json: object) -> httpx.Response:
        return self._client.request(method, f"{self.api_url}{path}", json=json, timeout=ANSWER_LIMIT)


def _empty_database() -> Path:
    """A database as a server's first start makes it: 15 s of migrations, done once for each version of Prefect."""
    made = CACHE / f"prefect-{version('prefect')}.db"
    CACHE.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix=".prefect-") as temporary:
                new = Path(temporary) / "prefect.db"
                url = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{new}"}
                subprocess.run(
                    [*PREFECT, "server", "database", "upgrade", "--yes"],
                    env=os.environ | SETTINGS | {"PREFECT_HOME": temporary} | url,
                    stdout=subprocess.DEVNULL,
                    timeout=START_LIMIT,
                    check=True,
                )
                new.rename(made)
    return made
