"""Velero beside ours: its server on this host, with a kubeconfig, against the cluster and the store of a benchmark."""

import os
import threading
import time
from pathlib import Path
from typing import Any, Self

import yaml

from tests.servers.binaries import binaries
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import Process, free_port, wait_until
from tests.servers.seaweedfs import REGION, S3Server

VERSION, PLUGIN_VERSION = "1.18.3", "1.14.3"

NAMESPACE = "velero"
GROUP = "/apis/velero.io/v1"
BACKUPS = f"{GROUP}/namespaces/{NAMESPACE}/backups"
LOCATIONS = f"{GROUP}/namespaces/{NAMESPACE}/backupstoragelocations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FINISHED = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})
LIMIT = 1800.0
"""Seconds for one backup."""


class Velero:
    """A context manager: the server runs with the defaults of its release, and has a bucket of its own."""

    def __init__(self, cluster: ControlPlane, s3: S3Server, folder: Path) -> None:
        self.cluster, self.s3, self.api, self.folder = cluster, s3, cluster.api, folder
        self.bucket = s3.create_bucket("velero")
        program = binaries("velero", VERSION) / "velero"
        plugins = binaries("velero-plugin-for-aws", PLUGIN_VERSION)
        folder.mkdir(parents=True)
        config = folder / "kubeconfig"
        config.touch(mode=0o600)
        config.write_text(cluster.kubeconfig())
        keys = {"AWS_ACCESS_KEY_ID": s3.admin.access_key, "AWS_SECRET_ACCESS_KEY": s3.admin.secret_key}
        self._environment = {**os.environ, **keys, "HOME": str(folder), "VELERO_NAMESPACE": NAMESPACE}
        self._program = program
        self.server = Process(
            [
                *(program, "server", "--kubeconfig", config, "--plugin-dir", plugins),
                *("--metrics-address", f"127.0.0.1:{free_port()}", "--profiler-address", f"127.0.0.1:{free_port()}"),
            ],
            folder=folder,
            name="velero",
            env=self._environment,
            cwd=folder,
        )

    def __enter__(self) -> Self:
        """Install what `velero install` would, and wait until the server has found its bucket."""
        install = Process(
            [self._program, "install", "--crds-only", "--dry-run", "-o", "yaml"],
            folder=self.folder,
            name="install",
            env=self._environment,
        )
        with install:
            assert install.wait(60.0) == 0, install.output
        for one in yaml.safe_load(install.output)["items"]:
            self.api.create(DEFINITIONS, one)
        wait_until(lambda: self.api.is_fine(LOCATIONS), 60.0, "the API serves Velero's kinds")
        self.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        config = {"region": REGION, "s3ForcePathStyle": "true", "s3Url": self.s3.endpoint}
        spec = {"provider": "aws", "default": True, "objectStorage": {"bucket": self.bucket}, "config": config}
        self.api.create(LOCATIONS, self._body("BackupStorageLocation", "default", spec))
        self.server.start()
        try:
            self.server.wait_until(self._is_ready, 300.0, "Velero has found its bucket")
        except BaseException:
            self.server.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def _is_ready(self) -> bool:
        return bool(self.api.get(f"{LOCATIONS}/default").get("status", {}).get("phase") == "Available")

    @staticmethod
    def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    def back_up(self, name: str) -> None:
        """Back up everything but volumes, and print what it took."""
        tree = _Memory(self.server.pid)
        began, before = time.monotonic(), self._stored()
        spec = {"includedNamespaces": ["*"], "snapshotVolumes": False, "storageLocation": "default", "ttl": "720h0m0s"}
        with tree:
            self.api.create(BACKUPS, self._body("Backup", name, spec))
            wait_until(lambda: self._status(name).get("phase") in FINISHED, LIMIT, f"Velero's backup {name} ends")
        took, status = time.monotonic() - began, self._status(name)
        progress = status.get("progress", {})
        print(
            f"Velero {VERSION}: {status['phase']}, {progress.get('itemsBackedUp')} objects; {took:.1f} s, by its own clock "
            f"{status['startTimestamp']} to {status.get('completionTimestamp')}, {tree.cpu:.1f} s of CPU; "
            f"peak {tree.server} MB, of which {tree.idle} MB before it began, and {tree.plugins} MB of its plugins; "
            f"{(self._stored() - before) / 1e6:.2f} MB added",
            flush=True,
        )

    def _status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"{BACKUPS}/{name}").get("status", {})
        return found

    def _stored(self) -> int:
        """Bytes in its bucket."""
        pages = self.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sum(one["Size"] for page in pages for one in page.get("Contents", []))


class _Memory:
    """The memory of a server in MB, at its peak as the kernel has it, and the sum of what its children have at a time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.idle = self.server = self.plugins = 0
        self.cpu = 0.0
        """Seconds of the server and of those plugins that have ended."""

    def __enter__(self) -> Self:
        self.idle = _megabytes(self._pid, "VmRSS")
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # sets VmHWM to what it is now
        self.cpu = -_seconds(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.server = _megabytes(self._pid, "VmHWM")
        self.cpu += _seconds(self._pid)

    def _watch(self) -> None:
        children = Path(f"/proc/{self._pid}/task")
        while not self._ended.wait(0.2):
            pids = {int(one) for path in children.glob("*/children") for one in path.read_text().split()}
            self.plugins = max(self.plugins, sum(_megabytes(pid, "VmRSS") for pid in pids))


def _megabytes(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0  # a plugin that has ended meanwhile
    return next((int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith(f"{name}:")), 0)


def _seconds(pid: int) -> float:
    """User and system time, with that of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")
