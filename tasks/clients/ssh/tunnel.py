"""Connects a local unix socket to a port of a node.

It uses channels, and does not depend on how SSH makes them.

It is a unix socket in a folder of mode 0700, not a TCP port on loopback. Any local user may connect to a port,
and the far side (etcd's client port, a kubelet) may trust whoever reaches it.
"""

import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Protocol

from tasks.clients.ssh.transport import WINDOW
from tasks.core.errors import Refused, RunbookError

log = logging.getLogger("kube_runbooks.ssh")

PACKET = 32_000
"""Limits the bytes of one read from the local side: one SSH packet (32,768 less its header)."""

SOCKET_PATH_MAX = 107
"""This is the size of `sockaddr_un.sun_path` on Linux in bytes, less the closing zero."""


class Channel(Protocol):
    """This is what a tunnel needs of an SSH channel (paramiko's `Channel` has it)."""

    eof_received: int

    def recv(self, nbytes: int) -> bytes:
        """Returns up to `nbytes`; empty at the end of the stream and also after the connection is lost."""

    def sendall(self, s: bytes) -> None:
        """Sends all of it or raises OSError."""

    def shutdown_write(self) -> None:
        """Informs the far side that nothing more follows."""

    def close(self) -> None:
        """Closes both directions."""


class Tunnel:
    """This is a unix socket that exists during the `with` block.

    Each connection to it becomes a channel to the far port.

    If the SSH connection is lost or the far port refuses, the local connection is closed at once, which gRPC
    reports as UNAVAILABLE. `trouble` then has the reason in words, for the caller's error message.
    """

    def __init__(self, label: str, open_channel: Callable[[], Channel], why_lost: Callable[[], str]) -> None:
        """Stores the tunnel's functions; `label` starts each log line.

        Args:
            label: node and far port.
            open_channel: returns a channel to the far port, or raises RunbookError.
            why_lost: returns why the SSH connection ended; it is called only after that.
        """
        self.label = label
        self.trouble = ""
        self.why_lost = why_lost
        self._open_channel = open_channel
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._closing = False

    def __enter__(self) -> Path:
        """Returns the socket's path, ready for connections (`unix:PATH` in gRPC).

        It raises Refused if the path is too long.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="kube-runbooks-"))  # mkdtemp promises mode 0700
        try:
            path = self._folder / "socket"
            self._listener = _listen(path)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._acceptor = _thread(self._accept, f"tunnel {self.label}")
        self._acceptor.start()
        return path

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake a thread that waits in accept()
        self._acceptor.join()
        self._listener.close()
        shutil.rmtree(self._folder)
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()
        for link in links:
            link.join()

    def _accept(self) -> None:
        while not self._closing:
            try:
                local, _ = self._listener.accept()
            except OSError:
                return  # shut down by __exit__
            self._start(local)

    def _start(self, local: socket.socket) -> None:
        link = _Link(self, local)
        with self._lock:
            self._links.add(link)
        link.start()

    def open_channel(self) -> Channel | None:
        """Returns a channel to the far port, or None with the reason in `trouble`."""
        try:
            return self._open_channel()
        except RunbookError as error:
            self.report(str(error))
            return None

    def report(self, trouble: str) -> None:
        """Stores and logs why a connection failed. It does nothing while the tunnel itself closes."""
        if not self._closing:
            self.trouble = trouble
            log.warning("%s: %s", self.label, trouble)

    def forget(self, link: "_Link") -> None:
        """Removes a finished connection from the tunnel's list."""
        with self._lock:
            self._links.discard(link)


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        problem = f"{path} is longer than a unix socket's path may be ({SOCKET_PATH_MAX} bytes)"
        raise Refused(problem, hint="set TMPDIR to a folder with a shorter path")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(os.fspath(path))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


class _Link:
    """Carries one local connection and its channel.

    It has a thread for each direction, so that neither waits for the other.
    """

    def __init__(self, tunnel: Tunnel, local: socket.socket) -> None:
        self._tunnel = tunnel
        self._local = local
        self._channel: Channel | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._thread = _thread(self._carry, f"tunnel {tunnel.label} out")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def close(self) -> None:
        """Closes both directions now, from any thread, whatever is still in progress."""
        with self._lock:
            self._closed = True
            channel = self._channel
        _quietly(lambda: self._local.shutdown(socket.SHUT_RDWR))  # wakes the thread that waits in recv()
        if channel is not None:
            _quietly(channel.close)

    def _carry(self) -> None:
        try:
            if (channel := self._tunnel.open_channel()) and self._adopt(channel):
                self._both_ways(channel)
        finally:
            self.close()
            self._local.close()
            self._tunnel.forget(self)

    def _adopt(self, channel: Channel) -> bool:
        """Stores the channel, and checks whether it is still needed.

        The tunnel may have closed while the channel was opening.
        """
        with self._lock:
            self._channel = channel
            return not self._closed

    def _both_ways(self, channel: Channel) -> None:
        inward = _thread(lambda: self._inward(channel), f"tunnel {self._tunnel.label} in")
        inward.start()
        self._outward(channel)
        inward.join()

    def _outward(self, channel: Channel) -> None:
        try:
            while data := self._local.recv(PACKET):
                channel.sendall(data)
            channel.shutdown_write()
        except (OSError, EOFError):
            self.close()

    def _inward(self, channel: Channel) -> None:
        try:
            while data := channel.recv(WINDOW):
                self._local.sendall(data)
            self._end_of_stream(channel)
        except EOFError:  # paramiko's word for a lost connection, where recv() was about to open the window again
            self._lost()
        except OSError:
            self.close()

    def _end_of_stream(self, channel: Channel) -> None:
        """Passes a proper end on as a half-close. A lost connection is no proper end, so it closes both directions."""
        if channel.eof_received:
            self._local.shutdown(socket.SHUT_WR)
        else:
            self._lost()

    def _lost(self) -> None:
        if not self._closed:
            self._tunnel.report(self._tunnel.why_lost())
        self.close()


def _thread(work: Callable[[], None], name: str) -> threading.Thread:
    """Creates a thread whose log lines belong to the run that opened the tunnel.

    Prefect identifies a run by the context.
    """
    return threading.Thread(target=copy_context().run, args=[work], name=name, daemon=True)


def _quietly(close: Callable[[], None]) -> None:
    with suppress(OSError, EOFError):  # it may be closed already, by the other side or by the other thread
        close()
