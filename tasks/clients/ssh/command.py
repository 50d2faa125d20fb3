"""One command on one node: how it is put to the login shell, its three streams, and how it ended."""

import logging
import re
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import paramiko

from tasks.clients.ssh.failures import QUOTED_CHARACTERS
from tasks.clients.ssh.target import SshLimits, SshTarget
from tasks.clients.ssh.transport import WINDOW, Transport
from tasks.core.errors import CommandFailed, NotYet, Refused

log = logging.getLogger("kube_runbooks.ssh")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where every remote command looks for programs, whatever the login shell's files say."""

WRAPPER = 'timeout -k "$1" "$2" /bin/sh -c "$3"; exit $?'
"""Run by /bin/sh with: seconds until KILL, seconds until TERM, the command. `timeout` stops the command's whole process
group. The shell stays its parent because a process that a signal kills has no exit status in SSH, only a signal, which
paramiko drops: the result could not be told from a lost connection. The shell makes it 128 + signal."""

TIMED_OUT = frozenset({124, 137})
"""Exit statuses of `timeout` when it had to stop the command: by TERM, by KILL."""

NOT_FOUND = 127
"""Exit status of `env` and of the shell for a program that is not there."""

STDERR_LINES = 5
"""Lines of a failed command's stderr that its error quotes."""

STDIN_PIECE = 2**18
"""Bytes of stdin handed to the channel at once; small, because paramiko copies what is left after each packet."""

SUDO_REFUSED = re.compile(
    rb"^sudo: .*(password is required|terminal is required|not allowed|may not run|must have a tty|no new privileges)"
    rb"|is not in the sudoers file|is not allowed to (execute|run)",
    re.MULTILINE,
)
"""What sudo 1.8 to 1.9 says, in the C locale, when it does not let the user run the command without a password."""


@dataclass(frozen=True)
class Output:
    """What a command wrote, how it ended (the shell's status: 128 + signal when killed), and how long it took."""

    stdout: bytes
    stderr: bytes
    status: int
    took: timedelta

    @property
    def complaint(self) -> str:
        """The last lines of stderr, which errors quote."""
        return "\n".join(self.stderr.decode(errors="replace").strip().splitlines()[-STDERR_LINES:])


class Call:
    """One command on one node: how it is put to the login shell, what came of it, and how an error words it."""

    def __init__(self, target: SshTarget, limits: SshLimits, command: str, timeout: timedelta, *, sudo: bool) -> None:
        if "\0" in command or timeout <= timedelta(0):
            message = "a command has no zero byte, and a time limit above zero"
            raise ValueError(message)
        self.name = target.name
        self.target = target
        self.limits = limits
        self.command = command
        self.timeout = timeout
        self.sudo = sudo and target.sudo

    @property
    def line(self) -> str:
        """For the login shell: fixed words, and the command as one quoted word."""
        environment = ["/usr/bin/env", "-i", f"PATH={PATH}", "LC_ALL=C"]
        seconds = (f"{part.total_seconds():g}" for part in (self.limits.kill_after, self.timeout))
        shell = ["/bin/sh", "-c", WRAPPER, "sh", *seconds, self.command]
        as_root = ["sudo", "-n", "--", *environment, "HOME=/root", "USER=root", "LOGNAME=root"] if self.sudo else []
        as_user = shlex.join(environment) + ' HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" '
        return as_user + shlex.join([*as_root, *shell])

    @property
    def local_limit(self) -> timedelta:
        """When the node has had time to stop the command and to say so, and did not."""
        return self.timeout + self.limits.kill_after + self.limits.grace

    def make(
        self, open_session: Callable[[], tuple[Transport, paramiko.Channel]], stdin: bytes, output_limit: int
    ) -> Output:
        """Run it in a session of its own, and raise whatever stands in the way of an honest exit status."""
        began = time.monotonic()
        transport, channel = open_session()
        dialogue = _Dialogue(channel, output_limit, began + self.local_limit.total_seconds())
        try:
            self._start(transport, channel)
            status = dialogue.hold(stdin)
        finally:
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()
        took = timedelta(seconds=time.monotonic() - began)
        self._check(dialogue, status, took, transport)
        log.debug("%s: status %d after %.2f s: %s", self.name, status, took.total_seconds(), self)
        return Output(b"".join(dialogue.stdout), b"".join(dialogue.stderr), status, took)

    def _start(self, transport: Transport, channel: paramiko.Channel) -> None:
        try:
            channel.exec_command(self.line)
        except (paramiko.SSHException, EOFError, OSError):
            if not transport.is_lost():
                raise Refused(f"{self.name}: sshd runs no commands for {self.target.login}") from None
            raise self._lost(transport) from None

    def _check(self, dialogue: "_Dialogue", status: int, took: timedelta, transport: Transport) -> None:
        if dialogue.overflowed:
            raise self.failed(f"wrote more than {dialogue.limit} bytes", hint="raise output_limit, or write less")
        if status < 0 and dialogue.expired:
            problem = f"did not end within {self.local_limit.total_seconds():g} s, and was not stopped by its own limit"
            raise NotYet(f"{self.name}: {problem}; outcome unknown: {self}")
        if status < 0:
            raise self._lost(transport)
        if status in TIMED_OUT and took >= self.timeout:
            raise self.failed(f"was stopped after its time limit of {self.timeout.total_seconds():g} s")
        if self.sudo:
            self._check_sudo(status, b"".join(dialogue.stderr))

    def _check_sudo(self, status: int, stderr: bytes) -> None:
        name, user = self.name, self.target.user
        if status == NOT_FOUND and re.search(rb"^/usr/bin/env: .*sudo", stderr, re.MULTILINE):
            raise Refused(f"{name}: has no sudo", hint="install it, or log in as root with `sudo: false`")
        if status == 1 and (said := SUDO_REFUSED.search(stderr)):
            line = stderr[stderr.rfind(b"\n", 0, said.start()) + 1 :].splitlines()[0].decode(errors="replace")
            hint = f"add to /etc/sudoers.d/kube-runbooks on {name}: {user} ALL=(root) NOPASSWD: ALL"
            raise Refused(f"{name}: {user} may not use sudo without a password: {line}", hint=hint)

    def _lost(self, transport: Transport) -> NotYet:
        return NotYet(f"{self.name}: {transport.why()}; outcome unknown: {self}")

    def failed(self, how: str, *, hint: str = "") -> CommandFailed:
        """The command, and how it ended."""
        return CommandFailed(f"{self.name}: `{self}` {how}", hint=hint)

    def __str__(self) -> str:
        line = " ".join(self.command.split())
        return line if len(line) <= QUOTED_CHARACTERS else f"{line[:QUOTED_CHARACTERS]}…"


class _Dialogue:
    """The three streams of one command: stdin goes out while stdout and stderr come in, so none can block another.

    Stdout and stderr share the channel's window: whoever leaves one unread stops both.
    """

    def __init__(self, channel: paramiko.Channel, limit: int, deadline: float) -> None:
        """`limit` in bytes of both streams together, `deadline` on the monotonic clock."""
        self.stdout: list[bytes] = []
        self.stderr: list[bytes] = []
        self.limit = limit
        self.overflowed = False
        self.expired = False
        self._room = limit
        self._channel = channel
        self._deadline = deadline
        self._lock = threading.Lock()

    def hold(self, stdin: bytes) -> int:
        """Carry it all, and return the exit status; negative if none came."""
        self._channel.settimeout(self._left())
        helpers = [threading.Thread(target=self._gather, args=[self._channel.recv_stderr, self.stderr], daemon=True)]
        if stdin:
            helpers.append(threading.Thread(target=self._tell, args=[stdin], daemon=True))
        else:
            self._tell(stdin)
        for helper in helpers:
            helper.start()
        self._gather(self._channel.recv, self.stdout)
        for helper in helpers:
            helper.join()
        return self._status()

    def _tell(self, stdin: bytes) -> None:
        # A command may end, or close its stdin, before it has read everything: its status says whether that matters.
        with suppress(OSError, EOFError, paramiko.SSHException):
            for start in range(0, len(stdin), STDIN_PIECE):
                self._channel.sendall(stdin[start : start + STDIN_PIECE])
            self._channel.shutdown_write()

    def _gather(self, receive: Callable[[int], bytes], chunks: list[bytes]) -> None:
        try:
            while (chunk := receive(WINDOW)) and self._fits(chunk):
                chunks.append(chunk)
                self._channel.settimeout(self._left())
        except TimeoutError:
            self._give_up("expired")
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the connection is lost; there will be no status, which says so

    def _fits(self, chunk: bytes) -> bool:
        with self._lock:
            self._room -= len(chunk)
            fits = self._room >= 0
        if not fits:
            self._give_up("overflowed")
        return fits

    def _give_up(self, flag: str) -> None:
        setattr(self, flag, True)
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()  # ends the other threads' waits, and the command's next write on the node

    def _status(self) -> int:
        """It comes after the end of both streams; a closed channel sets the event as well, without a status."""
        if not self._channel.status_event.wait(self._left()):
            self._give_up("expired")
        return self._channel.exit_status

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)
