"""The programs that tests run come from the first source that has them: whole, what their publisher says, and once."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from tests.servers.binaries import ROOT
from tests.servers.processes import Process, wait_until
from tests.servers.suites import SUITES

KUBE = SUITES["kube"]

FETCH = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.servers import binaries
from tests.servers.suites import SUITES
server, archives, *arguments = sys.argv[1:]
for name, suite in SUITES.items():
    file = suite.release.rpartition("/")[2]
    SUITES[name] = replace(suite, release=f"{server}/{name}/{file}", sums=f"{server}/{name}/{{file}}.sha256")
binaries.LAB_ARCHIVES = Path(archives)
sys.exit(binaries.main(arguments))
"""
"""The project's own program, with another release server and another folder of archives."""

SIZE = 300_000


class Publisher:
    """A release server that may break off, or stop in, the middle of a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.breaks_off = self.stops = False
        self.stopped = threading.Event()
        self.going_on = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self, directory=str(folder)))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, path: str, content: bytes, sha256: str = "") -> None:
        """A file and its sum: the true one unless told otherwise."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.with_name(f"{file.name}.sha256").write_text(sha256 or hashlib.sha256(content).hexdigest())


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, publisher: Publisher, *arguments: object, directory: str) -> None:
        self.publisher = publisher
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        publisher = self.publisher
        publisher.asked.append(self.path)
        if self.path.endswith(".sha256") or not (publisher.breaks_off or publisher.stops):
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        if publisher.stops:
            publisher.stopped.set()
            publisher.going_on.wait(60)
            with suppress(OSError):  # the client may be gone
                self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    """One that has published nothing yet."""
    new = Publisher(tmp_path / "published")
    new.folder.mkdir()
    thread = threading.Thread(target=new.server.serve_forever)
    thread.start()
    yield new
    new.going_on.set()
    new.server.shutdown()
    new.server.server_close()
    thread.join()


class Machine:
    """One with an empty cache, an empty folder of archives and no Go."""

    def __init__(self, folder: Path, publisher: Publisher) -> None:
        self.archives = folder / "archives"
        self.archives.mkdir()
        self.cache = folder / "cache/kube-runbooks/bin"
        self.given: Path | None = None
        self._folder = folder
        self._publisher = publisher

    @property
    def command(self) -> list[str]:
        """Without the words of what to fetch."""
        return [sys.executable, "-c", FETCH, self._publisher.address, str(self.archives)]

    @property
    def environment(self) -> dict[str, str]:
        """Of a fetch."""
        given = {"KUBE_RUNBOOKS_BIN": str(self.given)} if self.given else {}
        return {"PATH": "", "HOME": str(self._folder), "XDG_CACHE_HOME": str(self._folder / "cache"), **given}

    def fetch(self, *words: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        done = subprocess.run(
            [*self.command, *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def kept(self) -> set[str]:
        """What the cache has, locks aside."""
        return {path.name for path in self.cache.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def machine(tmp_path: Path, publisher: Publisher) -> Machine:
    """That knows the publisher."""
    return Machine(tmp_path, publisher)


def _program(words: str) -> bytes:
    """A script as large as a program is for a socket: it does not fit into one buffer."""
    return f"#!/bin/sh\necho {words} ${{0##*/}}\nexit\n".encode() + b"#" * SIZE


def _tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _run(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def _machine_name() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def _publish_coredns(publisher: Publisher, sha256: str = "") -> str:
    """Version 9.9.9; the path of its file."""
    path = f"coredns/coredns_9.9.9_linux_{_machine_name()}.tgz"
    publisher.publish(path, _tar(coredns=_program("CoreDNS-9.9.9")), sha256)
    return path


def test_one_file_of_the_archive_is_seven_programs(machine: Machine) -> None:
    """Each is called by its own name; no release is asked for."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        entry = tarfile.TarInfo("./kube")
        entry.size = len(content := _program("9.9.9"))
        out.addfile(entry, io.BytesIO(content))
    (machine.archives / "kube-v9.9.9.tar.zst").write_bytes(zstandard.compress(tar.getvalue()))
    code, said = machine.fetch("kube=9.9.9")
    assert code == 0, said
    folder = machine.cache / "kube-v9.9.9"
    assert f"kube 9.9.9: {folder}" in said
    assert {_run(folder / program) for program in KUBE.programs} == {f"9.9.9 {program}" for program in KUBE.programs}


def test_a_release_of_single_files_is_fetched_and_kept(machine: Machine, publisher: Publisher) -> None:
    """The second time nothing is asked for."""
    for program in KUBE.programs:
        publisher.publish(f"kube/{program}", _program("9.9.9"))
    code, said = machine.fetch("kube=9.9.9")
    assert code == 0, said
    assert _run(machine.cache / "kube-v9.9.9/kubectl") == "9.9.9 kubectl"
    assert machine.kept == {"kube-v9.9.9"}
    publisher.asked.clear()
    assert machine.fetch("kube=9.9.9")[0] == 0
    assert publisher.asked == []


def test_a_release_with_a_wrong_sum_is_refused(machine: Machine, publisher: Publisher) -> None:
    """The error has the address and both sums; nothing is kept, and no other source hides it."""
    path = _publish_coredns(publisher, "0" * 64)
    code, said = machine.fetch("coredns=9.9.9")
    assert code == 1
    found = hashlib.sha256((publisher.folder / path).read_bytes()).hexdigest()
    assert f"{publisher.address}/{path} has sha256 {found}, but its publisher says {'0' * 64}" in said
    assert "put programs you trust into KUBE_RUNBOOKS_BIN" in said
    assert "Traceback" not in said
    assert machine.kept == set()


def test_all_sources_that_failed_are_told(machine: Machine, publisher: Publisher) -> None:
    """A download that breaks off is one that failed, not a wrong sum."""
    path = _publish_coredns(publisher)
    publisher.breaks_off = True
    machine.given = machine.archives
    code, said = machine.fetch("coredns=9.9.9")
    assert code == 1
    half = (publisher.folder / path).stat().st_size // 2
    for line in (
        f"- KUBE_RUNBOOKS_BIN={machine.archives}: has not all of coredns in version 9.9.9",
        f"- {machine.cache}/coredns-v9.9.9: is not there, or not whole",
        f"- the lab's archive: {machine.archives}/coredns-v9.9.9.tar.zst does not exist",
        f"- the release: {publisher.address}/{path} broke off, {half} bytes before its end",
        "- the Go module proxy: no Go compiler on PATH",
    ):
        assert line in said
    assert machine.kept == set()


def test_two_processes_fetch_once(machine: Machine, publisher: Publisher, tmp_path: Path) -> None:
    """The second waits for the first, in the middle of whose download it starts."""
    path = _publish_coredns(publisher)
    publisher.stops = True
    processes = [
        Process([*machine.command, "coredns=9.9.9"], folder=tmp_path, name=name, env=machine.environment, cwd=ROOT)
        for name in ("first", "second")
    ]
    for process in processes:
        process.start()
    wait = "waiting for another process that gets coredns 9.9.9"
    wait_until(lambda: any(wait in process.output for process in processes), 30, "one of them waits")
    assert publisher.stopped.wait(30)
    publisher.going_on.set()
    codes = [process.wait(30) for process in processes]
    assert codes == [0, 0], [process.output for process in processes]
    assert publisher.asked.count(f"/{path}") == 1


def test_a_killed_fetch_leaves_nothing_half(machine: Machine, publisher: Publisher, tmp_path: Path) -> None:
    """The next one is not hindered, and tidies up."""
    _publish_coredns(publisher)
    publisher.stops = True
    command = [*machine.command, "coredns=9.9.9"]
    with Process(command, folder=tmp_path, name="killed", env=machine.environment, cwd=ROOT) as process:
        assert publisher.stopped.wait(30)
        process.send(signal.SIGKILL)
        process.wait(30)
    publisher.going_on.set()
    assert "coredns-v9.9.9" not in machine.kept
    publisher.stops = False
    code, said = machine.fetch("coredns=9.9.9")
    assert code == 0, said
    assert _run(machine.cache / "coredns-v9.9.9/coredns") == "CoreDNS-9.9.9 coredns"
    assert machine.kept == {"coredns-v9.9.9"}


def test_a_given_folder_comes_first_if_it_has_the_version(machine: Machine, tmp_path: Path) -> None:
    """Folders named after versions, or one with programs of that very version."""
    plain, named = tmp_path / "plain", tmp_path / "named"
    for folder, version in ((plain, "9.9.9"), (named / "coredns-v9.9.8", "9.9.8")):
        folder.mkdir(parents=True)
        (folder / "coredns").write_bytes(_program(f"CoreDNS-{version}"))
        (folder / "coredns").chmod(0o755)
    machine.given = plain
    assert f"coredns 9.9.9: {plain} " in machine.fetch("coredns=9.9.9")[1]
    assert machine.fetch("coredns=9.9.8")[0] == 1
    machine.given = named
    assert f"coredns 9.9.8: {named}/coredns-v9.9.8 " in machine.fetch("coredns=9.9.8")[1]


@pytest.mark.parametrize("word", ["kube", "kube=1.36", "kubernetes=1.36.3", "kube=v1.36.3"])
def test_what_is_no_suite_and_version_is_refused(machine: Machine, word: str) -> None:
    """With an example of what is."""
    code, said = machine.fetch(word)
    assert code == 2
    assert f"'{word}' is not SUITE=X.Y.Z with a suite of etcd, kube, coredns" in said
