"""Extends paramiko's transport: fast, strict about algorithms, and watched."""

import logging
import math
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_CLOSE
from paramiko.packet import Packetizer

from tasks.clients.ssh.target import SshLimits

log = logging.getLogger("kube_runbooks.ssh")
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs with a traceback reaches us as an exception

WINDOW = 4 * 2**20
"""This is how many bytes per channel may be on their way to the worker, and the size of each read.

paramiko keeps them in one array and deletes from its front, so a read smaller than the window costs a copy of
the whole rest.
"""


RSA_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Maps the type of a host key to the signatures that a host with such a key uses."""


class Transport(paramiko.Transport):
    """This is paramiko's transport with fast ciphers first, without weak ones, and with a watchdog."""

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
        """Wraps the socket or channel; paramiko's client calls this through `transport_factory`."""
        wire: socket.socket = _Wire(raw)  # type: ignore[assignment]  # it has what paramiko uses of a socket
        super().__init__(wire, disabled_algorithms=disabled_algorithms, packetizer_class=_Packetizer)
        self._gateway = _connection_of(raw)
        self._verdict = ""

    @property
    def is_answered(self) -> bool:
        """Checks whether the server has accepted or rejected the login.

        paramiko raises the same error if the server does not answer.
        """
        event = self.auth_handler.auth_event if self.auth_handler else None
        return event is not None and event.is_set()

    def prefer(self, kinds: Sequence[str]) -> None:
        """Puts host keys of these types first in the negotiation; call it before the connection begins."""
        usual = self.get_security_options().key_types
        first = [name for kind in kinds for name in RSA_SIGNATURES.get(kind, (kind,)) if name in usual]
        self.get_security_options().key_types = (*first, *(name for name in usual if name not in first))

    def auth_interactive_dumb(self, *_: object, **__: object) -> list[str]:
        """Refuses a second factor: paramiko would ask for it on the worker's own terminal."""
        message = "the server asks for a second factor besides the key"
        raise paramiko.AuthenticationException(message)

    def open_channel(self, *args: Any, **kwargs: Any) -> paramiko.Channel:  # noqa: ANN401 - as paramiko has them
        """Opens a channel of which nothing is sent after its end."""
        channel = super().open_channel(*args, **kwargs)
        channel.transport = _Line(self)  # type: ignore[assignment]  # it has what paramiko uses of a transport
        return channel

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()  # a code, which the words explain
        self._verdict = f"sshd ended the connection: {message.get_text()}"

    def is_lost(self) -> bool:
        """Checks whether the connection is lost.

        It waits a moment, because paramiko closes the channels before it reports the loss.
        """
        self.join(timeout=0.2)
        return not self.is_active()

    def why(self) -> str:
        """Returns the reason why the connection ended, in words."""
        if self._gateway and not self._gateway.is_active():
            return f"the gateway was lost ({self._gateway.why()})"
        return self._verdict or "the connection was lost"

    def end(self) -> None:
        """Closes the connection, and waits until its thread ends, so that no socket and no thread outlives the call.

        The wait is at most 2 s.
        """
        self.close()
        if self.is_alive() and self is not threading.current_thread():
            self.join(timeout=2)

    def watch(self, name: str, limits: SshLimits) -> None:
        """Starts the watchdog, which ends with the connection. Its log lines belong to the run that connected."""
        watch = copy_context().run
        threading.Thread(
            target=watch, args=[self._watch, name, limits], name=f"ssh watchdog {name}", daemon=True
        ).start()

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


class OpenedGateway:
    """Provides what fabric needs of a gateway `Connection`, over a transport that this package has opened and checked."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def open(self) -> None:
        """Does nothing, because the connection is already open."""


class _Line:
    """Is the connection as one channel has it: whatever the channel sends after its end is dropped.

    paramiko makes a message while it holds the channel's lock, and sends it later. Meanwhile its own thread may answer
    the end that the server has sent. If a message of the channel comes after that answer, sshd ends the connection with
    everything that runs on it ("packet referred to nonexistent channel"; paramiko's issue 1115).
    """

    def __init__(self, connection: Transport) -> None:
        self.connection = connection
        self._in_order = threading.Lock()
        self._has_ended = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        with self._in_order:
            if not self._has_ended:
                self._has_ended = message.asbytes().startswith(cMSG_CHANNEL_CLOSE)
                # All that a channel sends goes through it.
                self.connection._send_user_message(message)  # type: ignore[attr-defined]  # noqa: SLF001


def _connection_of(raw: socket.socket | paramiko.Channel) -> Transport | None:
    """Returns the gateway's connection, if this one goes through a channel of it."""
    line = raw.transport if isinstance(raw, paramiko.Channel) else None
    return line.connection if isinstance(line, _Line) else None


class _Wire:
    """Reads a socket, or a channel of the gateway, in large pieces and returns them in small ones.

    paramiko asks for 16 bytes and then for the rest of a packet. On a socket these are two system calls each. On a
    gateway's channel they are two deletions from the front of an array as long as the window.
    """

    PIECE = WINDOW

    def __init__(self, raw: socket.socket | paramiko.Channel) -> None:
        self._raw = raw
        self._piece = b""
        self._at = 0
        if isinstance(raw, socket.socket):
            self.PIECE = 2**17
            # paramiko leaves Nagle on: 40 ms per small answer
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

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
        with suppress(OSError, EOFError, paramiko.SSHException):  # a channel tells its gateway, which may be gone, too
            self._raw.close()

    @property
    def _closed(self) -> bool:
        return bool(self._raw._closed)  # type: ignore[union-attr]  # noqa: SLF001 - paramiko asks the socket for it


class _Packetizer(Packetizer):
    """Counts the packets that it receives, and leaves new session keys to the server."""

    REKEY_BYTES = 2**40
    """This is the number of bytes after which paramiko asks for new keys.

    It is so high that paramiko never does.

    By default it asks after 512 MiB, and then sometimes hangs for 30 s and fails (its issue 822). sshd's own limit,
    64 GiB with AES, still holds.
    """

    heard = 0
    """It counts the received packets."""

    def read_message(self) -> tuple[int, paramiko.Message]:
        message = super().read_message()
        self.heard += 1
        return message

    def start_handshake(self, timeout: float) -> None:
        """Does nothing: `connect` has the same limit, and this method's timer thread outlives a failure by 15 s."""
