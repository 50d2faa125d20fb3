"""Defines one node: its connection, and the operations over it."""

import logging
import shlex
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import PurePosixPath
from typing import Self

import fabric
import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from tasks.clients.ssh.command import Call, Output
from tasks.clients.ssh.failures import FORWARDING_HINT, is_forbidden, words_of
from tasks.clients.ssh.target import SshLimits, SshTarget
from tasks.clients.ssh.transport import WINDOW, OpenedGateway, Transport
from tasks.clients.ssh.trust import Trust, private_key
from tasks.clients.ssh.tunnel import Tunnel
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.shape import Address

log = logging.getLogger("kube_runbooks.ssh")


SESSION_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Lists the seconds between the attempts to open a session, if sshd has as many as its MaxSessions.

It counts a session until it has looked at its end. So the command that follows another one at once may be refused.
"""


class _Lost(NotYet):
    """The connection had ended before anything was started on it."""


class _Full(NotYet):
    """The server opens no further channel now."""


class SshNode:
    """This is a connection to one node.

    It is opened on first use, kept open, and opened again on the next use after a loss.

    One thread owns it at a time. Commands and tunnels may run in parallel on it (sshd's MaxSessions, 10 by default,
    limits the commands). Close it, or use it in a `with` statement. A gateway is another `SshNode`; many nodes may
    share it, and its creator closes it.

    Every method raises `Refused` if the node or its keys are not what was configured. It raises `NotYet` if the
    node cannot be reached or becomes silent.
    """

    def __init__(self, target: SshTarget, *, gateway: "SshNode | None" = None, limits: SshLimits | None = None) -> None:
        self.target = target
        self.name = target.name
        self.gateway = gateway
        self.limits = limits or SshLimits()
        self._lock = threading.RLock()
        self._link: Transport | None = None
        self._hang_up: Callable[[], object] = lambda: None

    def __repr__(self) -> str:
        via = f" via {self.gateway.name}" if self.gateway else ""
        return f"<SshNode {self.name}: {self.target.login}{via}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> None:
        """Opens the connection unless it is open."""
        self._transport()

    def close(self) -> None:
        """Closes the connection and everything that still runs on it. The next use opens it again. It never raises."""
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
        """Runs a line of shell on the node and waits until it finishes.

        The command gets a fixed PATH, LC_ALL=C and little else of the login's environment. The login shell may be any
        that runs a program with quoted words. Its files may print: that is not in the output (`login`). Secrets belong
        in `stdin`, which is shown nowhere; the command itself appears in errors.

        Args:
            command: for `/bin/sh -c`. A process that it leaves behind has to redirect its output. Otherwise the streams
                stay open, and the call returns only when the time limit and `SshLimits.grace` are over.
            stdin: the input of the command; its stdin ends after it.
            timeout: the time after which the command and its children are stopped on the node.
            sudo: run as root, by `sudo -n` if the target needs it.
            check: raise CommandFailed unless the status is 0.
            output_limit: bytes of stdout and stderr together; default `SshLimits.output_bytes`.

        Raises:
            CommandFailed: the status was not 0, the time was up, or there was more output than the limit.
            NotYet: there is no connection, or it was lost during the command: then the outcome is unknown.
            Refused: login or sudo is not allowed; or the login shell does not run the command, or redirects its output.
        """
        call = Call(self.target, self.limits, command, timeout, sudo=sudo)
        output = call.make(self._session, stdin, self.limits.output_bytes if output_limit is None else output_limit)
        if check and output.status != 0:
            reason = f": {output.complaint}" if output.complaint else ""
            raise call.failed(f"ended with status {output.status}{reason}")
        return output

    def read_file(self, path: PurePosixPath | str, *, sudo: bool = False) -> bytes:
        """Returns the content of a file on the node, up to `SshLimits.output_bytes`.

        Raises:
            Refused: the file does not exist, or may not be read.
            CommandFailed, NotYet: as for `run`.
        """
        output = self.run(f"cat -- {shlex.quote(str(path))}", timeout=timedelta(seconds=30), sudo=sudo, check=False)
        if output.status == 0:
            return output.stdout
        hint = "" if sudo else f"if {self.target.user} may not read it, read it with sudo"
        raise Refused(f"{self.name}: cannot read {path}: {output.complaint.removeprefix('cat: ')}", hint=hint)

    def tunnel(self, remote_host: str, remote_port: int) -> Tunnel:
        """Returns a unix socket that leads to a port as the node reaches it; its path is the value of the `with` statement.

        It lives as long as the current connection, and does not follow a new one. After a loss every local connection
        is closed at once, and so is every later connection to the socket. The call opens the SSH connection, so that a
        failure appears here and not in gRPC.
        """
        transport = self._transport()
        label = f"{self.name}: tunnel to {Address(host=remote_host, port=remote_port).text}"
        return Tunnel(label, lambda: self._forward(transport, (remote_host, remote_port)), transport.why)

    def _forward(self, transport: Transport, far: tuple[str, int]) -> paramiko.Channel:
        with self._opening(
            transport, Address(host=far[0], port=far[1]).text, hint=f"is anything listening there on {self.name}?"
        ):
            return transport.open_channel("direct-tcpip", far, ("", 0), window_size=WINDOW)

    def _session(self) -> tuple[Transport, paramiko.Channel]:
        """Returns a channel for one command, and the connection on which it runs."""
        for pause in SESSION_PAUSES:
            try:
                return self._session_once()
            except _Full:
                time.sleep(pause)
        return self._session_once()

    def _session_once(self) -> tuple[Transport, paramiko.Channel]:
        """Opens a session.

        A connection may have ended since the last command, and the loss shows only now. Nothing was started on it, so a
        new connection is safe. It is tried once.
        """
        try:
            return self._session_on(self._transport())
        except _Lost as error:
            log.info("%s; connecting again", error.problem)
            return self._session_on(self._transport())

    def _session_on(self, transport: Transport) -> tuple[Transport, paramiko.Channel]:
        with self._opening(transport, "a session", hint="too many sessions at once? check MaxSessions of sshd"):
            return transport, transport.open_session(window_size=WINDOW)

    @contextmanager
    def _opening(self, transport: Transport, what: str, *, hint: str) -> Iterator[None]:
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if transport.is_lost():
                raise _Lost(f"{self.name}: {transport.why()}; nothing was started") from None
            if is_forbidden(error):
                raise Refused(f"{self.name}: sshd forbids {what}", hint=FORWARDING_HINT) from None
            kind = _Full if isinstance(error, paramiko.ChannelException) else NotYet
            raise kind(f"{self.name}: sshd does not open {what}: {words_of(error)}", hint=hint) from None

    def _transport(self) -> Transport:
        with self._lock:
            if self._link is None or not self._link.is_active():
                self.close()
                self._link = self._open()
                hang_up = weakref.finalize(self, self._link.end)  # also for a node that is dropped unclosed
                hang_up.atexit = False  # as the process ends, whoever has tunnels through it closes them first
                self._hang_up = hang_up
            return self._link

    def _open(self) -> Transport:
        gateway = self.gateway._transport() if self.gateway else None  # noqa: SLF001 - another of our own kind
        began = time.monotonic()
        connection = self._connection(gateway)
        try:
            connection.open()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._explained(error, connection, time.monotonic() - began) from None
        finally:
            if connection.transport is None and (failed := connection.client.get_transport()):
                failed.end()  # fabric's own close() forgets a connection that failed to open
        transport: Transport = connection.transport
        transport.watch(self.name, self.limits)
        log.info("%s: connected to %s with %s", self.name, self.target.login, transport.local_cipher)
        return transport

    def _connection(self, gateway: Transport | None) -> fabric.Connection:
        target, limits = self.target, self.limits
        trust = Trust(target, via=self.gateway.name if self.gateway else None)

        def transport(raw: socket.socket | paramiko.Channel, disabled_algorithms: None = None) -> Transport:
            made = Transport(raw, disabled_algorithms)
            made.prefer(trust.kinds)
            return made

        connection = fabric.Connection(
            target.address,
            user=target.user,
            port=target.port,
            gateway=OpenedGateway(gateway) if gateway else None,
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
                "transport_factory": transport,
            },
        )
        connection.client = trust.client()
        return connection

    @cached_property
    def _key(self) -> paramiko.PKey:
        return private_key(self.target)

    def _explained(self, error: Exception, connection: fabric.Connection, seconds: float) -> RunbookError:
        target = self.target
        transport = connection.client.get_transport()
        match error:
            case paramiko.AuthenticationException() if transport.is_active() and transport.is_answered:
                problem = (
                    f"{self.name}: {target.login} does not accept the key {self._key.fingerprint} ({words_of(error)})"
                )
                return Refused(problem, hint=f"add its public half to authorized_keys of {target.user} on {self.name}")
            case IncompatiblePeer():
                return Refused(f"{self.name}: no common algorithm with {target.login}: {error}")
            case paramiko.ChannelException() if self.gateway:
                problem = f"{self.gateway.name}: does not forward to {self.name} at {target.place}"
                if is_forbidden(error):
                    return Refused(problem, hint=FORWARDING_HINT)
                return NotYet(
                    f"{problem}: {error.text}", hint="its sshd needs AllowTcpForwarding, and a route to the node"
                )
            case _:
                return NotYet(f"{self.name}: no connection to {target.login} after {seconds:.1f} s: {words_of(error)}")
