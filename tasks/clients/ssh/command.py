"""Runs one command on one node.

It passes the command to the login shell, carries its streams, and reads its status.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import paramiko

from tasks.clients.ssh.failures import QUOTED_CHARACTERS
from tasks.clients.ssh.login import Heard, Marks, login_line, words_of_login
from tasks.clients.ssh.target import SshLimits, SshTarget
from tasks.clients.ssh.transport import WINDOW, Transport
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.words import duration_in_words

log = logging.getLogger("kube_runbooks.ssh")

TIMED_OUT = frozenset({124, 137})
"""Lists the exit statuses of `timeout` after it had to stop the command: by TERM, by KILL."""

NO_SUDO = 127
"""This is the exit status of log_in.sh if there is no sudo."""

STDERR_LINES = 5
"""Limits how many lines of a failed command's stderr its error quotes."""

STDIN_PIECE = 2**18
"""Limits how many bytes of stdin the channel gets at once.

It is small, because paramiko copies the remaining bytes after each packet.
"""


@dataclass(frozen=True)
class Output:
    """This is what a command wrote, its exit status (the shell's: 128 + signal if it was killed), and its duration."""

    stdout: bytes
    stderr: bytes
    status: int
    took: timedelta

    @property
    def complaint(self) -> str:
        """Returns the last lines of stderr, which errors quote."""
        return "\n".join(self.stderr.decode(errors="replace").strip().splitlines()[-STDERR_LINES:])


class Call:
    """This is one command on one node: how the login shell gets it, what its result is, and how errors describe it."""

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
    def local_limit(self) -> timedelta:
        """Returns the time limit on the worker's side.

        By then the node had time to stop the command and to report that.
        """
        return self.timeout + self.limits.kill_after + self.limits.grace

    def make(
        self, open_session: Callable[[], tuple[Transport, paramiko.Channel]], stdin: bytes, output_limit: int
    ) -> Output:
        """Runs the command in a session of its own. It raises an error if anything prevents a reliable exit status."""
        began = time.monotonic()
        transport, channel = open_session()
        marks = Marks()
        dialogue = _Dialogue(channel, marks, output_limit, began + self.local_limit.total_seconds())
        try:
            self._start(transport, channel, marks)
            status = dialogue.hold(stdin)
        finally:
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()
        took = timedelta(seconds=time.monotonic() - began)
        self._check_start(dialogue, status, transport)
        (stdout, end), (stderr, told) = dialogue.stdout.content(), dialogue.stderr.content()
        is_whole = bool(end) and told.strip().isdigit()
        if is_whole:
            status = int(told)  # by the command's own shell, whatever the login's files or sudo made of it
        self._check_end(dialogue, status, took, transport)
        if status == 0 and not is_whole:
            raise NotYet(f"{self.name}: did not say how it ended; outcome unknown: {self}")
        log.debug("%s: status %d after %.2f s: %s", self.name, status, took.total_seconds(), self)
        return Output(stdout, stderr, status, took)

    def _start(self, transport: Transport, channel: paramiko.Channel, marks: Marks) -> None:
        kill_after = self.limits.kill_after
        try:
            channel.exec_command(
                login_line(self.command, marks, limit=self.timeout, kill_after=kill_after, sudo=self.sudo)
            )
        except (paramiko.SSHException, EOFError, OSError):
            if not transport.is_lost():
                raise Refused(f"{self.name}: sshd runs no commands for {self.target.login}") from None
            raise self._lost(transport) from None

    def _check_start(self, dialogue: "_Dialogue", status: int, transport: Transport) -> None:
        """Checks that the command has begun, as the intended user, and that both of its streams arrive.

        If not, the error says what prevented it.
        """
        streams, user = (dialogue.stdout, dialogue.stderr), self.target.user
        if dialogue.overflowed or all(heard.has_begun for heard in streams):
            return
        if status < 0 and not dialogue.expired:
            raise self._lost(transport)
        words = words_of_login(*streams)
        said = f": {words}" if words else ", and printed nothing"
        if dialogue.expired:
            who = "sudo" if self.sudo and all(heard.is_ours for heard in streams) else f"the login shell of {user}"
            limit = self.local_limit.total_seconds()
            raise NotYet(
                f"{self.name}: {who} did not begin the command within {limit:g} s{said}; nothing was started: {self}"
            )
        if any(heard.has_begun for heard in streams):
            problem = (
                f"{self.name}: what a command prints does not reach us whole: the login's files of {user} redirect it"
            )
            raise Refused(
                problem, hint=f"let {user}'s shell files on {self.name} redirect output in interactive shells only"
            )
        if not all(heard.is_ours for heard in streams):
            problem = f"{self.name}: the login shell of {user} does not run the command (status {status}){said}"
            hint = f"check the login shell and its files on {self.name}: ssh {self.target.user}@{self.target.address} /bin/sh -c true"
            raise Refused(problem, hint=hint)
        raise self._not_root(status, said) if self.sudo else Refused(f"{self.name}: the command does not begin{said}")

    def _not_root(self, status: int, said: str) -> Refused:
        """Returns the error for a command that did not become root. It shows sudo's own text, whatever it is.

        What matters is that the command did not begin.
        """
        user = self.target.user
        if status == NO_SUDO:
            return Refused(f"{self.name}: has no sudo", hint="install it, or log in as root with `sudo: false`")
        hint = f"add to /etc/sudoers.d/kube-runbooks on {self.name}: {user} ALL=(root) NOPASSWD: ALL"
        return Refused(f"{self.name}: {user} may not use sudo without a password{said}", hint=hint)

    def _check_end(self, dialogue: "_Dialogue", status: int, took: timedelta, transport: Transport) -> None:
        if dialogue.overflowed:
            raise self.failed(f"wrote more than {dialogue.limit} bytes", hint="raise output_limit, or write less")
        if status < 0 and dialogue.expired:
            problem = f"did not end within {duration_in_words(self.local_limit)}, and was not stopped by its own limit"
            raise NotYet(f"{self.name}: {problem}; outcome unknown: {self}")
        if status < 0:
            raise self._lost(transport)
        if status in TIMED_OUT and took >= self.timeout:
            raise self.failed(f"was stopped after its time limit of {duration_in_words(self.timeout)}")

    def _lost(self, transport: Transport) -> NotYet:
        why = transport.why() if transport.is_lost() else "the session ended without a status, as if it was killed"
        return NotYet(f"{self.name}: {why}; outcome unknown: {self}")

    def failed(self, how: str, *, hint: str = "") -> CommandFailed:
        """Returns the error that names the command, and how it ended."""
        return CommandFailed(f"{self.name}: `{self}` {how}", hint=hint)

    def __str__(self) -> str:
        line = " ".join(self.command.split())
        return line if len(line) <= QUOTED_CHARACTERS else f"{line[:QUOTED_CHARACTERS]}…"


class _Dialogue:
    """Carries the three streams of one command in parallel, so none blocks another.

    It sends stdin while it receives stdout and stderr. These two share the channel's window: if one of them is not
    read, both stop.
    """

    def __init__(self, channel: paramiko.Channel, marks: Marks, limit: int, deadline: float) -> None:
        """Prepares the streams; `limit` is in bytes of both streams together, `deadline` is on the monotonic clock."""
        self.stdout = Heard(marks)
        self.stderr = Heard(marks)
        self.limit = limit
        self.overflowed = False
        self.expired = False
        self._room = limit + marks.overhead
        self._channel = channel
        self._deadline = deadline
        self._lock = threading.Lock()

    def hold(self, stdin: bytes) -> int:
        """Carries all streams, and returns the exit status; it is negative if none arrived."""
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

    def _gather(self, receive: Callable[[int], bytes], heard: Heard) -> None:
        try:
            while (chunk := receive(WINDOW)) and self._fits(heard.take(chunk)) and self._is_in_time():
                self._channel.settimeout(self._left())
        except TimeoutError:
            self._give_up("expired")
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the connection is lost; there will be no status, which says so

    def _fits(self, size: int) -> bool:
        with self._lock:
            self._room -= size
            fits = self._room >= 0
        if not fits:
            self._give_up("overflowed")
        return fits

    def _is_in_time(self) -> bool:
        """Checks the deadline after each chunk, because a login that never stops printing never causes a timeout."""
        in_time = time.monotonic() < self._deadline
        if not in_time:
            self._give_up("expired")
        return in_time

    def _give_up(self, flag: str) -> None:
        setattr(self, flag, True)
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()  # ends the other threads' waits, and the command's next write on the node

    def _status(self) -> int:
        """Returns the exit status, which arrives after the end of both streams.

        A closed channel sets the event too, but without a status.
        """
        if not self._channel.status_event.wait(self._left()):
            self._give_up("expired")
        return self._channel.exit_status

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)
