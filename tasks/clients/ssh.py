"""Commands, files and tunnels on a node over SSH: the only module that imports fabric and paramiko.

Fabric opens the connections and chains them through a gateway; everything after that uses channels of the transport,
for reasons that were measured on fabric 3.2.3 and paramiko 5.1.0:

- fabric accepts any host key, on gateways as well; here an unknown or changed key is refused on both;
- fabric's `run` joins the whole output again for every 1000 bytes (40 MB took 120 s), and its `timeout` leaves the
  remote process running;
- a peer that went silent is noticed by nobody, so each connection has a watchdog;
- a lost connection looks like exit status -1: here it is `NotYet`, with the words "outcome unknown".
"""

import logging
import math
import re
import shlex
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import NoReturn, Self

import fabric
import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from paramiko.hostkeys import InvalidHostKey
from paramiko.packet import Packetizer
from paramiko.ssh_exception import IncompatiblePeer, NoValidConnectionsError
from pydantic import Field, SecretStr

from tasks.clients.tunnel import WINDOW, Tunnel
from tasks.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.models.base import Duration, Model
from tasks.models.cluster import HostName, Port

log = logging.getLogger("kube_runbooks.ssh")
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs with a traceback reaches us as an exception

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

COMMAND_WIDTH = 120
"""Characters of a command that errors and log lines quote."""

STDIN_PIECE = 2**18
"""Bytes of stdin handed to the channel at once; small, because paramiko copies what is left after each packet."""

FORWARDING_HINT = "its sshd_config needs `AllowTcpForwarding yes` (or `local`), and a PermitOpen that includes this"

SUDO_REFUSED = re.compile(
    rb"^sudo: .*(password is required|terminal is required|not allowed|may not run|must have a tty|no new privileges)"
    rb"|is not in the sudoers file|is not allowed to (execute|run)",
    re.MULTILINE,
)
"""What sudo 1.8 to 1.9 says, in the C locale, when it does not let the user run the command without a password."""


class SshLimits(Model):
    """How long to wait for each part of a connection, and how much to keep of what comes back."""

    connect: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="for TCP, and again for the handshake: a node that boots answers late, a dead address never",
    )
    login: Duration = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="for authentication: PAM and directory services are slow",
    )
    channel: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="for the opening of a channel; paramiko's own is an hour",
    )
    keepalive_interval: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="between two questions whether the peer is there"
    )
    keepalive_limit: Duration = Field(
        default=timedelta(seconds=15), gt=timedelta(0), description="of silence after which the connection is given up"
    )
    kill_after: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="between TERM and KILL for a command over its time"
    )
    grace: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="beyond the remote limits before the command counts as lost",
    )
    output_bytes: int = Field(
        default=4 * 2**20,
        gt=0,
        description="of stdout and stderr together; probes need far less, and bulk does not go this way",
    )


class SshTarget(Model):
    """Where to log in, as whom, and whom to trust."""

    name: HostName = Field(description="starts each log line and each error")
    address: HostName
    port: Port = 22
    user: str = Field(min_length=1)
    key: SecretStr = Field(description="the private key itself (OpenSSH or PEM, no passphrase), not its path")
    known_hosts: Path = Field(description="OpenSSH known_hosts file; a host that is not in it is refused")
    sudo: bool = Field(
        default=True, description="whether privileged commands need `sudo -n`; false when `user` is root"
    )

    @property
    def login(self) -> str:
        """`user@address:port`."""
        return f"{self.user}@{self.address}:{self.port}"

    @property
    def known_as(self) -> str:
        """How known_hosts calls the address."""
        return self.address if self.port == paramiko.config.SSH_PORT else f"[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Output:
    """What a command wrote, how it ended (the shell's status: 128 + signal when killed), and how long it took."""

    stdout: bytes
    stderr: bytes
    status: int
    took: timedelta


class SshNode:
    """A connection to one node: opened on first use, kept open, opened anew on the use after it was lost.

    One thread owns it at a time; commands and tunnels may run in parallel on it (sshd's MaxSessions, 10 by default,
    limits the commands). Close it, or use it in a `with` statement. A gateway is another `SshNode`; many nodes may
    share it, and whoever made it closes it.

    Every method raises `Refused` when the node or its keys are not what was configured, and `NotYet` when the node
    cannot be reached or goes silent.
    """

    def __init__(self, target: SshTarget, *, gateway: "SshNode | None" = None, limits: SshLimits | None = None) -> None:
        self.target = target
        self.name = target.name
        self.gateway = gateway
        self.limits = limits or SshLimits()
        self._lock = threading.RLock()
        self._link: _Transport | None = None
        self._hang_up: Callable[[], object] = lambda: None

    def __repr__(self) -> str:
        via = f" via {self.gateway.name}" if self.gateway else ""
        return f"<SshNode {self.name}: {self.target.login}{via}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Open the connection unless it is open."""
        self._transport()

    def close(self) -> None:
        """End the connection and whatever still runs on it; the next use would open it anew. Never raises."""
        with self._lock:
            self._link = None
            self._hang_up()

    def run(  # noqa: PLR0913 - a command has these properties, each with a name at the call
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout: timedelta,
        sudo: bool = False,
        check: bool = True,
        output_limit: int | None = None,
    ) -> Output:
        """Run a line of shell on the node and wait for its end.

        The command gets a fixed PATH, LC_ALL=C and little else of the login's environment. The login shell has to be of
        the Bourne family. Secrets belong into `stdin`, which is shown nowhere; the command itself appears in errors.

        Args:
            command: for `/bin/sh -c`. A process that it leaves behind has to redirect its output: otherwise the streams
                stay open, and the call returns only when the time limit and `SshLimits.grace` are over.
            stdin: given to the command, then its stdin ends.
            timeout: after it the command and its children are stopped on the node.
            sudo: run as root, by `sudo -n` if the target needs it.
            check: raise CommandFailed unless the status is 0.
            output_limit: bytes of stdout and stderr together; default `SshLimits.output_bytes`.

        Raises:
            CommandFailed: the status was not 0, the time was up, or there was more output than the limit.
            NotYet: no connection, or it was lost meanwhile: then the outcome is unknown.
            Refused: not allowed to log in, or to use sudo.
        """
        call = _Call(self, command, timeout, sudo=sudo)
        output = call.make(stdin, self.limits.output_bytes if output_limit is None else output_limit)
        if check and output.status != 0:
            raise call.failed(f"ended with status {output.status}{_tail(output.stderr)}")
        return output

    def read_file(self, path: PurePosixPath | str, *, sudo: bool = False) -> bytes:
        """The content of a file on the node, up to `SshLimits.output_bytes`.

        Raises:
            Refused: there is no such file, or it may not be read.
            CommandFailed, NotYet: as for `run`.
        """
        output = self.run(f"cat -- {shlex.quote(str(path))}", timeout=timedelta(seconds=30), sudo=sudo, check=False)
        if output.status == 0:
            return output.stdout
        hint = "read it with sudo, or as a user who may" if b"Permission denied" in output.stderr else ""
        reason = _last_lines(output.stderr).removeprefix("cat: ")
        raise Refused(f"{self.name}: cannot read {path}: {reason}", hint=hint)

    def tunnel(self, remote_host: str, remote_port: int) -> Tunnel:
        """A unix socket (its path is the value of the `with` statement) that leads to a port as the node sees it.

        It lives as long as the connection of now, and does not follow a new one: after a loss every local connection is
        closed at once, and the socket's later ones too. Opens the connection, so that it fails here and not in gRPC.
        """
        transport = self._transport()
        label = f"{self.name}: tunnel to {remote_host}:{remote_port}"
        return Tunnel(label, lambda: self._forward(transport, (remote_host, remote_port)), transport.why)

    def _forward(self, transport: "_Transport", far: tuple[str, int]) -> paramiko.Channel:
        with self._opening(transport, f"{far[0]}:{far[1]}", hint=f"is anything listening there on {self.name}?"):
            return transport.open_channel("direct-tcpip", far, ("", 0), window_size=WINDOW)

    def session(self) -> "tuple[_Transport, paramiko.Channel]":
        """A channel for one command, and the connection it runs on."""
        transport = self._transport()
        with self._opening(transport, "a session", hint="too many at once? look at sshd's MaxSessions"):
            return transport, transport.open_session(window_size=WINDOW)

    @contextmanager
    def _opening(self, transport: "_Transport", what: str, *, hint: str) -> Iterator[None]:
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if transport.is_lost():
                raise NotYet(f"{self.name}: {transport.why()}; nothing was started") from None
            if _is_forbidden(error):
                raise Refused(f"{self.name}: sshd forbids {what}", hint=FORWARDING_HINT) from None
            raise NotYet(f"{self.name}: sshd does not open {what}: {_words(error)}", hint=hint) from None

    def _transport(self) -> "_Transport":
        with self._lock:
            if self._link is None or not self._link.is_active():
                self.close()
                self._link = self._open()
                self._hang_up = weakref.finalize(self, self._link.end)  # also for a node that is dropped unclosed
            return self._link

    def _open(self) -> "_Transport":
        gateway = self.gateway._transport() if self.gateway else None  # noqa: SLF001 - another of our own kind
        began = time.monotonic()
        connection = self._connection(gateway)
        try:
            connection.open()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explained(error, connection, time.monotonic() - began) from None
        finally:
            if connection.transport is None:
                _end(connection.client.get_transport())  # fabric's own close() forgets a connection that failed to open
        transport: _Transport = connection.transport
        transport.watch(self.name, self.limits)
        log.info("%s: connected to %s with %s", self.name, self.target.login, transport.local_cipher)
        return transport

    def _connection(self, gateway: "_Transport | None") -> fabric.Connection:
        target, limits = self.target, self.limits
        connection = fabric.Connection(
            target.address,
            user=target.user,
            port=target.port,
            gateway=_Opened(gateway) if gateway else None,
            # Lazy and with an empty ssh_config: no file and no variable of this machine has a say.
            config=fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig()),
            forward_agent=False,
            connect_kwargs={
                "pkey": self._key,
                "allow_agent": False,
                "look_for_keys": False,
                "timeout": limits.connect.total_seconds(),  # fabric's own connect_timeout is cut to whole seconds
                "banner_timeout": limits.connect.total_seconds(),
                "auth_timeout": limits.login.total_seconds(),
                "channel_timeout": limits.channel.total_seconds(),
                "transport_factory": _Transport,
            },
        )
        connection.client = _strict_client(target, via=self.gateway.name if self.gateway else None)
        return connection

    @cached_property
    def _key(self) -> paramiko.PKey:
        return private_key(self.target)

    def _explained(self, error: Exception, connection: fabric.Connection, seconds: float) -> RunbookError:
        target = self.target
        transport = connection.client.get_transport()
        match error:
            case paramiko.BadHostKeyException():
                return _changed_host_key(target, error)
            case paramiko.AuthenticationException() if transport.is_active() and "timeout" not in str(error):
                problem = (
                    f"{self.name}: {target.login} does not accept the key {self._key.fingerprint} ({_words(error)})"
                )
                return Refused(problem, hint=f"add its public half to authorized_keys of {target.user} on {self.name}")
            case IncompatiblePeer():
                return Refused(f"{self.name}: no common algorithm with {target.login}: {error}")
            case paramiko.ChannelException() if self.gateway:
                problem = f"{self.gateway.name}: does not forward to {self.name} at {target.address}:{target.port}"
                if _is_forbidden(error):
                    return Refused(problem, hint=FORWARDING_HINT)
                return NotYet(
                    f"{problem}: {error.text}", hint="its sshd needs AllowTcpForwarding, and a route to the node"
                )
            case _:
                return NotYet(f"{self.name}: no connection to {target.login} after {seconds:.1f} s: {_words(error)}")


class _Call:
    """One command on one node: how it is put to the login shell, what came of it, and how an error words it."""

    def __init__(self, node: SshNode, command: str, timeout: timedelta, *, sudo: bool) -> None:
        if "\0" in command or timeout <= timedelta(0):
            message = "a command has no zero byte, and a time limit above zero"
            raise ValueError(message)
        self.node = node
        self.command = command
        self.timeout = timeout
        self.sudo = sudo and node.target.sudo

    @property
    def line(self) -> str:
        """For the login shell: fixed words, and the command as one quoted word."""
        environment = ["/usr/bin/env", "-i", f"PATH={PATH}", "LC_ALL=C"]
        seconds = (f"{part.total_seconds():g}" for part in (self.node.limits.kill_after, self.timeout))
        shell = ["/bin/sh", "-c", WRAPPER, "sh", *seconds, self.command]
        as_root = ["sudo", "-n", "--", *environment, "HOME=/root", "USER=root", "LOGNAME=root"] if self.sudo else []
        as_user = shlex.join(environment) + ' HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" '
        return as_user + shlex.join([*as_root, *shell])

    @property
    def local_limit(self) -> timedelta:
        """When the node has had time to stop the command and to say so, and did not."""
        return self.timeout + self.node.limits.kill_after + self.node.limits.grace

    def make(self, stdin: bytes, output_limit: int) -> Output:
        began = time.monotonic()
        transport, channel = self.node.session()
        dialogue = _Dialogue(channel, output_limit, began + self.local_limit.total_seconds())
        try:
            self._start(transport, channel)
            status = dialogue.hold(stdin)
        finally:
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()
        took = timedelta(seconds=time.monotonic() - began)
        self._check(dialogue, status, took, transport)
        log.debug("%s: status %d after %.2f s: %s", self.node.name, status, took.total_seconds(), self)
        return Output(b"".join(dialogue.stdout), b"".join(dialogue.stderr), status, took)

    def _start(self, transport: "_Transport", channel: paramiko.Channel) -> None:
        try:
            channel.exec_command(self.line)
        except (paramiko.SSHException, EOFError, OSError):
            if not transport.is_lost():
                raise Refused(f"{self.node.name}: sshd runs no commands for {self.node.target.login}") from None
            raise self._lost(transport) from None

    def _check(self, dialogue: "_Dialogue", status: int, took: timedelta, transport: "_Transport") -> None:
        """Raise what stands in the way of an honest exit status."""
        if dialogue.overflowed:
            raise self.failed(f"wrote more than {dialogue.limit} bytes", hint="raise output_limit, or write less")
        if status < 0 and dialogue.expired:
            problem = f"did not end within {self.local_limit.total_seconds():g} s, and was not stopped by its own limit"
            raise NotYet(f"{self.node.name}: {problem}; outcome unknown: {self}")
        if status < 0:
            raise self._lost(transport)
        if status in TIMED_OUT and took >= self.timeout:
            raise self.failed(f"was stopped after its time limit of {self.timeout.total_seconds():g} s")
        if self.sudo:
            self._check_sudo(status, b"".join(dialogue.stderr))

    def _check_sudo(self, status: int, stderr: bytes) -> None:
        name, user = self.node.name, self.node.target.user
        if status == NOT_FOUND and re.search(rb"^/usr/bin/env: .*sudo", stderr, re.MULTILINE):
            raise Refused(f"{name}: has no sudo", hint="install it, or log in as root with `sudo: false`")
        if status == 1 and (said := SUDO_REFUSED.search(stderr)):
            line = stderr[stderr.rfind(b"\n", 0, said.start()) + 1 :].splitlines()[0].decode(errors="replace")
            hint = f"add to /etc/sudoers.d/kube-runbooks on {name}: {user} ALL=(root) NOPASSWD: ALL"
            raise Refused(f"{name}: {user} may not use sudo without a password: {line}", hint=hint)

    def _lost(self, transport: "_Transport") -> NotYet:
        return NotYet(f"{self.node.name}: {transport.why()}; outcome unknown: {self}")

    def failed(self, how: str, *, hint: str = "") -> CommandFailed:
        """The command, and how it ended."""
        return CommandFailed(f"{self.node.name}: `{self}` {how}", hint=hint)

    def __str__(self) -> str:
        line = " ".join(self.command.split())
        return line if len(line) <= COMMAND_WIDTH else f"{line[:COMMAND_WIDTH]}…"


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


class _Wire:
    """A socket, or a channel of the gateway, that is read in large pieces and handed on in small ones.

    paramiko asks for 16 bytes and then for the rest of a packet: two system calls each on a socket, and on a gateway's
    channel two deletions from the front of an array as long as the window.
    """

    PIECE = WINDOW

    def __init__(self, raw: socket.socket | paramiko.Channel) -> None:
        self._raw = raw
        self._piece = b""
        self._at = 0
        if isinstance(raw, socket.socket):
            self.PIECE = 2**17
            raw.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # paramiko leaves Nagle on: 40 ms per small answer

    def recv(self, size: int) -> bytes:
        if self._at == len(self._piece):
            self._piece, self._at = self._raw.recv(self.PIECE), 0
        taken = self._piece[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def send(self, data: bytes) -> int:
        return self._raw.send(data)

    def settimeout(self, seconds: float | None) -> None:
        self._raw.settimeout(seconds)

    def getpeername(self) -> object:
        return self._raw.getpeername()

    def close(self) -> None:
        if isinstance(self._raw, socket.socket):
            with suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)  # wakes the reading thread now, not at its next look
        self._raw.close()

    @property
    def _closed(self) -> bool:
        return bool(self._raw._closed)  # type: ignore[union-attr]  # noqa: SLF001 - paramiko asks the socket for it


class _Packetizer(Packetizer):
    """Counts what it hears, and leaves new session keys to the server."""

    REKEY_BYTES = 2**40
    """paramiko asks for new keys after 512 MiB, and then sometimes stalls for 30 s and dies (its issue 822); sshd's own
    limit, 64 GiB with AES, still holds."""

    heard = 0
    """Packets received."""

    def read_message(self) -> tuple[int, paramiko.Message]:
        message = super().read_message()
        self.heard += 1
        return message

    def start_handshake(self, timeout: float) -> None:
        """Nothing: `connect` has the same limit, and this one's timer thread outlives a failure by 15 s."""


class _Transport(paramiko.Transport):
    """paramiko's transport with fast ciphers first, weak ones left out, and a watchdog."""

    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    )
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )

    def __init__(self, raw: socket.socket | paramiko.Channel, disabled_algorithms: None = None) -> None:
        """Called by paramiko's client through `transport_factory`."""
        wire: socket.socket = _Wire(raw)  # type: ignore[assignment]  # it has what paramiko uses of a socket
        super().__init__(wire, disabled_algorithms=disabled_algorithms, packetizer_class=_Packetizer)
        self._gateway = raw.transport if isinstance(raw, paramiko.Channel) else None
        self._verdict = ""

    def auth_interactive_dumb(self, *_: object, **__: object) -> list[str]:
        """Refused: paramiko would ask for a second factor on the worker's own terminal."""
        message = "the server asks for a second factor besides the key"
        raise paramiko.AuthenticationException(message)

    def is_lost(self) -> bool:
        """Whether the connection has ended; waits a moment, because paramiko closes the channels before it says so."""
        self.join(timeout=0.2)
        return not self.is_active()

    def why(self) -> str:
        """Why the connection ended, in words."""
        if isinstance(self._gateway, _Transport) and not self._gateway.is_active():
            return f"the gateway was lost ({self._gateway.why()})"
        return self._verdict or "the connection was lost"

    def end(self) -> None:
        """Close, and wait for the thread to end, so that no socket and no thread outlives the call."""
        self.close()
        if self.is_alive() and self is not threading.current_thread():
            self.join(timeout=2)

    def watch(self, name: str, limits: SshLimits) -> None:
        """Start the watchdog; it ends with the connection."""
        threading.Thread(target=self._watch, args=[name, limits], name=f"ssh watchdog {name}", daemon=True).start()

    def _watch(self, name: str, limits: SshLimits) -> None:
        interval = limits.keepalive_interval.total_seconds()
        allowed = math.ceil(limits.keepalive_limit / limits.keepalive_interval)
        heard, silent = -1, 0
        while silent < allowed:
            threading.Thread(target=self._ask, name=f"ssh keepalive {name}", daemon=True).start()
            self.join(interval)  # returns at once when the connection ends
            if not self.is_alive():
                return
            # Intervals are counted, and not seconds of a clock, so that a worker that was itself asleep for a minute
            # does not blame the peer. Any packet is an answer: behind bulk data the reply to a question comes late.
            silent = silent + 1 if self.packetizer.heard == heard else 0  # type: ignore[attr-defined]
            heard = self.packetizer.heard  # type: ignore[attr-defined]
        self._verdict = f"no answer for {silent * interval:g} s"
        log.warning("%s: %s; giving the connection up", name, self._verdict)
        self.close()

    def _ask(self) -> None:
        # In a thread of its own: with a full send buffer towards a silent peer even the question blocks.
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.global_request("keepalive@openssh.com", wait=True)


class _Opened:
    """What fabric needs of a gateway `Connection`, over a transport that we have opened and checked ourselves."""

    def __init__(self, transport: _Transport) -> None:
        self.transport = transport

    def open(self) -> None:
        pass


def _end(transport: paramiko.Transport | None) -> None:
    if isinstance(transport, _Transport):
        transport.end()


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """What paramiko asks when known_hosts has no key for the address."""

    def __init__(self, target: SshTarget, via: str | None) -> None:
        self._target = target
        self._via = via

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> NoReturn:
        """Refuse, and say how to compare the offered key with the real one."""
        del client
        target = self._target
        problem = f"{target.name}: {target.known_hosts} has no key for {hostname}; it offers {_shown(key)}"
        scan = f"{f'on {self._via}: ' if self._via else ''}ssh-keyscan -p {target.port} {target.address}"
        hint = (
            f"compare it on {target.name}'s console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), "
            f"then add the line of `{scan}` to {target.known_hosts}"
        )
        raise Refused(problem, hint=hint)


def _changed_host_key(target: SshTarget, error: paramiko.BadHostKeyException) -> Refused:
    problem = (
        f"{target.name}: the host key of {target.known_as} changed: "
        f"{target.known_hosts} has {_shown(error.expected_key)}, it offers {_shown(error.key)}"
    )
    hint = (
        f"somebody may stand in between; if {target.name} was reinstalled, run `ssh-keygen -R {target.known_as!r} "
        f"-f {target.known_hosts}` and add the new key after comparing it on the console"
    )
    return Refused(problem, hint=hint)


def _shown(key: paramiko.PKey) -> str:
    """As OpenSSH prints it: type and SHA256 of the public key."""
    return f"{key.get_name()} {key.fingerprint}"


def _strict_client(target: SshTarget, via: str | None) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_RefuseUnknown(target, via))
    where = f"{target.name}: known_hosts file {target.known_hosts}"
    try:
        client.load_host_keys(str(target.known_hosts))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{where} cannot be read: {_words(error)}", hint="name a file that the worker may read") from None
    except InvalidHostKey as error:
        # Not skipped: paramiko takes @revoked for a host's name, and would go on trusting that key by another line.
        hint = "lines with @revoked or @cert-authority are not supported"
        raise Refused(f"{where} has a line that cannot be used: {error.line[:COMMAND_WIDTH]}", hint=hint) from None
    return client


def private_key(target: SshTarget) -> paramiko.PKey:
    """The target's key, from OpenSSH's format, PKCS#1 or PKCS#8.

    Raises:
        Refused: the text is no private key, needs a passphrase, or is of a kind that SSH does not use.
    """
    text = "\n".join(target.key.get_secret_value().split("\r\n")).strip().encode() + b"\n"
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in text
    load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    whose = f"{target.name}: the private key of {target.user}"
    try:
        key = load(text, password=None)
    except TypeError:  # how cryptography says so, for each of the formats
        hint = "give the runbooks a key of their own without one: ssh-keygen -t ed25519 -N ''"
        raise Refused(f"{whose} needs a passphrase", hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "it has to be the text of the private key: -----BEGIN OPENSSH PRIVATE KEY----- ..."
        raise Refused(f"{whose} is not a private key", hint=hint) from None
    match key:
        case Ed25519PrivateKey():
            kind: type[paramiko.PKey] = paramiko.Ed25519Key
        case EllipticCurvePrivateKey():
            kind = paramiko.ECDSAKey
        case RSAPrivateKey():
            kind = paramiko.RSAKey
        case _:
            raise Refused(f"{whose} is of a kind that is not used any more", hint="ssh-keygen -t ed25519 -N ''")
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return kind.from_private_key(StringIO(plain.decode()))  # paramiko knows fewer formats than cryptography


def _is_forbidden(error: Exception) -> bool:
    """Whether sshd's configuration, and not the state of the world, was in the way of a channel."""
    return isinstance(error, paramiko.ChannelException) and error.code == OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


def _words(error: Exception) -> str:
    """What happened, for errors whose own text is empty or speaks of paramiko's insides."""
    match error:
        case NoValidConnectionsError():
            words = "; ".join(sorted({_words(cause) for cause in error.errors.values()}))
        case paramiko.ChannelException():
            words = error.text
        case TimeoutError():
            words = "timed out"
        case EOFError():
            words = "closed by the other side"
        case paramiko.SSHException() if "existing session" in str(error):
            words = "the SSH handshake timed out"
        case OSError():
            words = error.strerror or ""
        case _:
            words = str(error)
    return words or str(error) or type(error).__name__


def _last_lines(stderr: bytes) -> str:
    return "\n".join(stderr.decode(errors="replace").strip().splitlines()[-STDERR_LINES:])


def _tail(stderr: bytes) -> str:
    return f": {lines}" if (lines := _last_lines(stderr)) else ""
