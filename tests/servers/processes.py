"""Child processes for tests: on free ports, with a log, and never outliving the test process."""

import atexit
import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.servers import undertaker

PORTS = range(12_000, 32_000)
"""Below the ports that Linux gives to outgoing connections: a server finds its port again after a restart."""

TAIL_CHARACTERS = 3000
"""How much of a log an error shows."""

PATIENCE = 150.0
"""The shortest limit of a wait, in seconds."""

PAUSE = 1.0
"""The longest time between two questions of a wait, in seconds."""


class Process:
    """A child in a session of its own: it runs when the block begins, and nothing of it is left when the block ends.

    It may also be started and stopped by hand, again and again; output is appended to `<folder>/<name>.log`. Should the
    test process die, even by SIGKILL, the child and its descendants are killed within a second.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        name: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`env` is the whole environment (default: that of the tests); `name` defaults to the program's."""
        folder.mkdir(parents=True, exist_ok=True)
        self.command = [str(word) for word in command]
        self.name = name or Path(self.command[0]).name
        self.log = folder / f"{self.name}.log"
        self._env = env
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._orphans: set[int] = set()

    def __enter__(self) -> Self:
        if not self.alive:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Started, and neither ended nor killed; a frozen process is alive."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Of the child, also after its end."""
        assert self._child is not None, f"{self.name} was not started"
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """As subprocess has it: None while it runs, negative for a signal."""
        return None if self._child is None else self._child.poll()

    @property
    def output(self) -> str:
        """All it has written so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> None:
        """Start; does not wait for anything."""
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        _Undertaker.started(self._child.pid)

    def stop(self, limit: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for all that is left after `limit` seconds; nothing to do when it has ended."""
        if self.alive:
            self._remember_descendants()
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a frozen process would not notice
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(limit)
        self.kill()

    def kill(self, *, alone: bool = False) -> None:
        """SIGKILL, for its descendants too unless `alone`, and wait for the end."""
        if self._child is None:
            return
        if alone:
            self._remember_descendants()
            self._child.kill()
        else:
            self._kill_trees()
        self._child.wait()

    def freeze(self) -> None:
        """SIGSTOP for it and its descendants: nothing is closed, nothing is answered."""
        self._signal_tree(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal_tree(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child alone."""
        assert self._child is not None, f"{self.name} was not started"
        self._child.send_signal(number)

    def wait(self, limit: float) -> int:
        """The exit code; subprocess.TimeoutExpired after `limit` seconds."""
        assert self._child is not None, f"{self.name} was not started"
        return self._child.wait(limit)

    def wait_until(self, question: Callable[[], object], limit: float, what: str) -> None:
        """As the function of this name, and at once an error when the process ends."""

        def answered() -> object:
            if not self.alive:
                raise RuntimeError(f"{self.name} ended with {self.returncode} before {what}:\n{tail(self.log)}")
            return question()

        wait_until(answered, limit, what, log=self.log)

    def _remember_descendants(self) -> None:
        """They may have sessions of their own, and once their parent has ended nothing tells that they were ours."""
        self._orphans |= undertaker.tree(self.pid) - {self.pid}
        for pid in self._orphans:
            _Undertaker.started(pid)

    def _kill_trees(self) -> None:
        for pid in (self.pid, *self._orphans):
            undertaker.kill(pid)
            _Undertaker.ended(pid)
        self._orphans.clear()

    def _signal_tree(self, number: signal.Signals) -> None:
        for pid in undertaker.tree(self.pid) if self.alive else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def wait_until(
    question: Callable[[], object], limit: float, what: str, *, log: Path | None = None, every: float = 0.05
) -> None:
    """Ask until the answer is true; TimeoutError with `what` and the tail of the log after `limit` seconds.

    A limit only ends a test that hangs: the shorter ones last for `PATIENCE`, because a busy machine is no failure.
    Between two questions it sleeps for twice as long as the last one took, at most for `PAUSE`: one that starts a
    process would otherwise take the processor from what it waits for.
    """
    limit = max(limit, PATIENCE)
    deadline = time.monotonic() + limit
    asked = time.monotonic()
    while not question():
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"not within {limit:g} s: {what}\n{tail(log) if log else ''}")
        time.sleep(max(every, min(2 * (now - asked), PAUSE)))
        asked = time.monotonic()


def tail(log: Path) -> str:
    """The end of a log; empty when there is none."""
    return log.read_text(errors="replace")[-TAIL_CHARACTERS:] if log.exists() else ""


def speaks_ssh(host: str) -> bool:
    """Does an SSH server greet there? That something accepts connections says nothing: gateways do, for any address."""
    try:
        with socket.create_connection((host, 22), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def free_port() -> int:
    """A loopback port that nobody uses, and that no other test process is given while this one lives."""
    return _Ports.take()


class _Ports:
    """Record locks in a file that all test processes of a user share: the byte at a port's number is its owner's."""

    _lock = threading.Lock()
    _taken: ClassVar[set[int]] = set()
    _file: int | None = None

    @classmethod
    def take(cls) -> int:
        with cls._lock:
            if cls._file is None:
                name = Path(tempfile.gettempdir()) / f"kube-runbooks-ports-{os.getuid()}"
                cls._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while True:
                port = random.SystemRandom().choice(PORTS)
                if port not in cls._taken and _is_unused(port) and _is_locked(cls._file, port):
                    cls._taken.add(port)
                    return port

    @classmethod
    def forget(cls) -> None:
        """Record locks are not inherited: a forked process begins anew."""
        cls._taken, cls._file = set(), None


def _is_locked(file: int, port: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


class _Undertaker:
    """The one process that watches this one."""

    _lock = threading.Lock()
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def started(cls, pid: int) -> None:
        cls._tell(f"+{pid}\n")

    @classmethod
    def ended(cls, pid: int) -> None:
        cls._tell(f"-{pid}\n")

    @classmethod
    def _tell(cls, line: str) -> None:
        with cls._lock:
            if cls._process is None:
                cls._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", undertaker.__file__, str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C in the terminal is not for it
                )
                atexit.register(cls._dismiss, cls._process)
            assert cls._process.stdin is not None
            cls._process.stdin.write(line.encode())
            cls._process.stdin.flush()

    @staticmethod
    def _dismiss(process: subprocess.Popen[bytes]) -> None:
        """At the interpreter's end: it kills what was never stopped, and ends."""
        if process.stdin:
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)

    @classmethod
    def forget(cls) -> None:
        cls._process = None


os.register_at_fork(after_in_child=_Ports.forget)
os.register_at_fork(after_in_child=_Undertaker.forget)
