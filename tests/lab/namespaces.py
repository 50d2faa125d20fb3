"""The namespaces that a whole lab lives in: processes, mounts and network that vanish together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab import init
from tests.lab.host import SYSTEM_FOLDERS, LabError

MARK = "KUBE_RUNBOOKS_LAB"
"""In the environment of every process of a lab, with its folder."""

START_LIMIT = 150.0
END_LIMIT = 30.0
COMMAND_LIMIT = 120.0


class Namespaces:
    """A process table, mounts and a network of a lab's own. Whoever finds its folder finds them again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid_file = folder / "init.pid"
        self._lifeline: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the first process in them, as seen from outside; None when they do not exist."""
        with suppress(OSError, ValueError):
            pid = int(self._pid_file.read_text())
            if _is_marked(pid, self.folder):
                return pid
        return None

    def open(self, *, lasting: bool) -> None:
        """Make them. They end with this process, however that ends, unless they are `lasting`."""
        mode = "lasting" if lasting else "lifeline"
        program = [sys.executable, "-I", init.__file__, str(self.folder), mode]
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
        with (self.folder / "init.log").open("wb") as log:
            self._lifeline = subprocess.Popen(
                [*command, *program],
                stdin=subprocess.DEVNULL if lasting else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT
        while not (children := _children(self._lifeline.pid)) or not self._is_begun(children[0], program):
            if time.monotonic() > deadline or self._lifeline.poll() is not None:
                raise LabError(f"no namespaces: {(self.folder / 'init.log').read_text().strip()}")
            time.sleep(0.02)
        self._pid_file.write_text(str(children[0]))
        # What programs leave in /run (locks of systemd-nspawn) goes with the lab.
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")

    def close(self) -> None:
        """End every process in them; gone when this returns."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + END_LIMIT
            while self.pid == pid:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    deadline += END_LIMIT
                time.sleep(0.05)
        if self._lifeline:
            if self._lifeline.stdin:
                self._lifeline.stdin.close()
            self._lifeline.wait()
            self._lifeline = None
        init.remove_leftovers(self.folder)
        self._pid_file.unlink(missing_ok=True)

    def enter(self, *command: str | Path) -> list[str]:
        """The command line that runs a command inside."""
        if (pid := self.pid) is None:
            raise LabError(f"the lab in {self.folder} does not run; start it with `make lab-up`")
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--", *map(str, command)]

    def run(self, *command: str | Path, text: str = "", limit: float = COMMAND_LIMIT) -> str:
        """What a command prints inside; LabError with its last words when it fails."""
        return finish(self.enter(*command), text=text, limit=limit, env=self._environment())

    def start(self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start a process inside that lives until it ends or the lab does."""
        with log.open("ab") as output:
            subprocess.Popen(
                self.enter(*command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment() | dict(env or {}),
                start_new_session=True,
            )

    def leave_behind(self, *paths: Path) -> None:
        """Note what has to be removed from the file system when the lab ends."""
        with (self.folder / init.LEFTOVERS).open("a") as file:
            file.writelines(f"{path}\n" for path in paths)

    def _is_begun(self, pid: int, program: Sequence[str]) -> bool:
        """Its arguments are those of our program alone, and it has our mark.

        Before, it is a copy of `unshare`, which has the mark, too, and our program among its arguments. In between it
        shows its arguments and no environment.
        """
        return _arguments_of(pid) == program and _is_marked(pid, self.folder)

    def _environment(self) -> dict[str, str]:
        path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}"
        return {**os.environ, "PATH": path, MARK: str(self.folder)}


def finish(
    command: Sequence[str | Path], *, text: str = "", limit: float = COMMAND_LIMIT, env: Mapping[str, str] | None = None
) -> str:
    """What a command prints; LabError with its last words when it fails or takes longer than `limit` seconds."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=limit, check=False, env=env)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: not within {limit:g} s: {error.output or ''}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}: {said}")
    return done.stdout


def environment_of(pid: int) -> list[str]:
    """Of a process, `NAME=value`; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _is_marked(pid: int, folder: Path) -> bool:
    return f"{MARK}={folder}" in environment_of(pid)


def _arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
