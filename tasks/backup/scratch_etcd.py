"""Runs a scratch etcd for restore drills, on sockets in a private folder.

It ends with the worker, however the worker ends.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from tasks.backup import scripts
from tasks.clients.etcd import EtcdClient
from tasks.core.errors import NotYet, Refused

MEMBER = "drill"
CLIENT_SOCKET, PEER_SOCKET = "client:1", "peer:1"
"""Name the sockets of the scratch etcd.

etcd requires host:port even for a unix socket. The file in its working folder has exactly that name.
"""

RESTORE_LIMIT = timedelta(minutes=30)
START_LIMIT = timedelta(minutes=5)
LAST_LINES = 3
SPACE_FACTOR = 2.2
"""Multiplies the size of the database to get the space for a drill.

The space holds the snapshot, the data directory restored from it, and a log.
"""


@dataclass(frozen=True)
class EtcdBinaries:
    """Names the paths of etcd and etcdutl of one version."""

    etcd: Path
    etcdutl: Path
    version: str

    @property
    def minor(self) -> str:
        """Returns the minor version, for example 3.6."""
        return ".".join(self.version.split(".")[:2])


def find_binaries(minor: str, folder: Path | None) -> EtcdBinaries:
    """Finds etcd and etcdutl of a minor version, as a restore needs them.

    It searches `folder`, its `etcd-v*` folders, and PATH. `Refused` when there are none.
    """
    found = list(_all_binaries(folder))
    for binaries in found:
        if binaries.minor == minor:
            return binaries
    have = ", ".join(f"{binaries.version} in {binaries.etcd.parent}" for binaries in found) or "none"
    raise Refused(
        f"a restore drill of etcd {minor} needs etcd and etcdutl {minor}; there are: {have}",
        hint="put them on PATH or into $KUBE_RUNBOOKS_BIN/etcd-vX.Y.Z of the worker; without a restore: --no-drill of "
        "etcd-backup, --no-restore of etcd-restore-drill",
    )


def _all_binaries(folder: Path | None) -> Iterator[EtcdBinaries]:
    places = [folder, *sorted(folder.glob("etcd-v*"), reverse=True)] if folder else []
    for place in [*(str(place) for place in places), None]:
        etcd, etcdutl = shutil.which("etcd", path=place), shutil.which("etcdutl", path=place)
        if etcd and etcdutl and (version := _version(etcdutl)):
            yield EtcdBinaries(Path(etcd).absolute(), Path(etcdutl).absolute(), version)


def _version(etcdutl: str) -> str:
    answer = subprocess.run([etcdutl, "version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"etcdutl version: (\S+)", answer.stdout)
    return found[1] if found else ""


def require_space(parent: Path | None, *, database_bytes: int) -> Path:
    """Returns the folder for drills: `parent`, or the system's temporary one.

    `Refused` when it has no room for a drill.
    """
    place = Path(parent or tempfile.gettempdir())
    needed = int(database_bytes * SPACE_FACTOR)
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise Refused(f"{place}: {error.strerror}", hint="correct KUBE_RUNBOOKS_SCRATCH of the worker") from error
    if free < needed:
        raise Refused(
            f"{place} has {free} bytes free, a restore drill of {database_bytes} bytes needs {needed}",
            hint="free space, or point KUBE_RUNBOOKS_SCRATCH of the worker to a larger folder",
        )
    return place


@contextmanager
def scratch_folder(parent: Path | None, *, database_bytes: int) -> Iterator[Path]:
    """Creates a folder of mode 0700 with space for a drill, and removes it afterwards, even if the worker is killed."""
    place = require_space(parent, database_bytes=database_bytes)
    try:
        folder = Path(tempfile.mkdtemp(prefix="kube-runbooks-drill-", dir=place))
    except OSError as error:
        raise Refused(f"{place}: {error.strerror}", hint="correct KUBE_RUNBOOKS_SCRATCH of the worker") from error
    with _bound_to_us(["sh", "-c", scripts.remove_at_end(), "guardian", str(folder)]):
        yield folder


def restore(binaries: EtcdBinaries, snapshot: Path) -> None:
    """Restores a snapshot into `data` beside it, as a cluster of one; etcdutl checks the sha256 trailer once more."""
    command = [
        *(str(binaries.etcdutl), "snapshot", "restore", snapshot.name, "--data-dir", "data", "--name", MEMBER),
        *("--initial-cluster", f"{MEMBER}=unix://{PEER_SOCKET}"),
        *("--initial-advertise-peer-urls", f"unix://{PEER_SOCKET}"),
    ]
    log = snapshot.parent / "restore.log"
    with _contained(command, log) as process:
        status = process.wait(RESTORE_LIMIT.total_seconds())
    if status:
        raise _failed("etcdutl snapshot restore", log, status)


@contextmanager
def scratch_etcd(binaries: EtcdBinaries, folder: Path) -> Iterator[EtcdClient]:
    """Starts etcd on `folder/data` without a network port, and yields a client once it answers."""
    command = [
        *(str(binaries.etcd), "--data-dir", "data", "--name", MEMBER, "--unsafe-no-fsync"),
        *("--listen-client-urls", f"unix://{CLIENT_SOCKET}", "--advertise-client-urls", f"unix://{CLIENT_SOCKET}"),
        *("--listen-peer-urls", f"unix://{PEER_SOCKET}", "--initial-advertise-peer-urls", f"unix://{PEER_SOCKET}"),
        *("--initial-cluster", f"{MEMBER}=unix://{PEER_SOCKET}", "--log-level", "warn"),
    ]
    log = folder / "etcd.log"
    with (
        _contained(command, log) as process,
        _short_path(folder) as path,
        EtcdClient(f"unix:{path}/{CLIENT_SOCKET}", None, member=MEMBER) as client,
    ):
        _wait_until_it_serves(client, process, log)
        yield client


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Yields another path of an open folder.

    The path of a socket may have 107 characters. The path of a scratch folder may be longer.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _wait_until_it_serves(client: EtcdClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT.total_seconds()
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            raise _failed("etcd", log, status)
        try:
            if client.status()[2].healthy:
                return
        except NotYet:
            time.sleep(0.1)
    raise _failed("etcd", log, None)


@contextmanager
def _contained(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command in the log's folder with a minimal environment, and kills it when the block or the worker ends."""
    with (
        log.open("wb") as output,
        _bound_to_us(["sh", "-c", scripts.until_stdin_ends(), "lifeline", *command], log.parent, output) as process,
    ):
        yield process


@contextmanager
def _bound_to_us(
    command: Sequence[str], folder: Path | None = None, output: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command in its own session.

    A signal to the worker's process group does not end the process that cleans up after the worker.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=output or subprocess.DEVNULL,
        stderr=output or subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait()


def _failed(what: str, log: Path, status: int | None) -> Refused:
    """Returns the error with etcd's last log lines; they include "no space left on device" if the disk is full."""
    said = " / ".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
    how = "did not get ready" if status is None else f"ended with exit status {status}"
    if "no space left" in said:
        return Refused(
            f"{log.parent}: no space left on device: {what} {how}",
            hint="free space for the drill (KUBE_RUNBOOKS_SCRATCH)",
        )
    return Refused(
        f"restore drill: {what} {how}: {said}",
        hint="do not use this backup: run `kube-runbooks run etcd-backup CLUSTER` for another one",
    )
