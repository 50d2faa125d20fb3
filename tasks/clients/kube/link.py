"""Connects to one API server, by TCP or through a unix socket.

TLS receives keys through memory, and they are never on a disk.
"""

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from urllib3.connection import HTTPSConnection

from tasks.clients.kube.answer import JSON, Answer, parse_warnings, parsed, to_json
from tasks.clients.tls import tls_context
from tasks.core.errors import NotYet

KEPT = 16
"""Limits how many connections to a server are kept open."""

AT_ONCE = 12
"""Is how many requests a caller with many of them sends at once: fewer than the connections that are kept."""

REQUEST_LIMIT = timedelta(seconds=20)
"""Limits one request to one server."""


@dataclass(frozen=True)
class KubeUser:
    """This is the user that the API recognises, and the CA that its servers must have. It is never printed."""

    ca: bytes = field(repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class KubeServer:
    """This is one API server, or the load balancer in front of several.

    `open` gives `https://HOST:PORT`, or the path of a socket.
    """

    name: str
    open: Callable[[], AbstractContextManager[str | Path]] = field(repr=False)
    server_name: str = ""
    """It holds the name that the server's certificate must have; if empty, the host of its address."""


class Link:
    """This holds the connections to one server."""

    def __init__(self, server: KubeServer, user: KubeUser, limit: timedelta) -> None:
        self.server = server
        self._limit = limit
        self._opened = server.open()
        place = str(self._opened.__enter__())
        self._host = place if place.startswith("https://") else "https://kubernetes"
        configuration = Configuration(host=self._host)
        configuration.retries = False
        self._api = ApiClient(configuration)
        self._api.rest_client.pool_manager = _pools(place, server.server_name, user)
        self._token = user.token

    def close(self) -> None:
        """Closes the connections."""
        self._api.rest_client.pool_manager.clear()
        with suppress(OSError, NotYet):
            self._opened.__exit__(None, None, None)

    def request(
        self,
        method: str,
        where: str,
        body: JSON | list[JSON] | None,
        content_type: str,
        accept: str = "application/json",
    ) -> Answer:
        """Returns the server's answer, whatever its status; raises an error of urllib3 if there is none."""
        headers = {"Accept": accept, "Content-Type": content_type}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        pools: urllib3.PoolManager = self._api.rest_client.pool_manager
        answer = pools.request(
            method,
            f"{self._host}{where}",
            body=None if body is None else to_json(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=5, read=self._limit.total_seconds()),
            retries=False,
        )
        wait = answer.headers.get("Retry-After", "")
        return Answer(
            answer.status,
            parsed(answer.data),
            timedelta(seconds=int(wait)) if re.fullmatch("[0-9]{1,6}", wait) else None,
            parse_warnings(answer.headers.getlist("Warning")),
        )

    def is_not_serving(self, answer: Answer) -> bool:
        """Checks whether a 403 comes from a server that is not ready.

        A server that has just started forbids everything for a moment, because it has not read the access rules yet.
        """
        if answer.status != HTTPStatus.FORBIDDEN:
            return False
        try:
            return self.request("GET", "/readyz", None, "application/json").status != HTTPStatus.OK
        except (urllib3.exceptions.HTTPError, OSError):
            return True


def _pools(place: str, server_name: str, user: KubeUser) -> urllib3.PoolManager:
    arguments: dict[str, Any] = {"ssl_context": _tls(user), "maxsize": KEPT, "retries": False}
    if server_name:
        arguments |= {"server_hostname": server_name, "assert_hostname": server_name}
    pools = urllib3.PoolManager(**arguments)
    if not place.startswith("https://"):
        connection = type("_Through", (_UnixConnection,), {"socket_path": place})
        pool = type("_ThroughPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": connection})
        pools.pool_classes_by_scheme = {"https": pool}
    return pools


class _UnixConnection(HTTPSConnection):
    """This is a TLS connection over a unix socket."""

    socket_path = ""

    def _new_conn(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
        try:
            made.connect(self.socket_path)
        except OSError as error:
            made.close()
            raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
        return made


def _tls(user: KubeUser) -> ssl.SSLContext:
    context = tls_context(user.ca)
    if user.certificate:
        with _in_memory(user.certificate + b"\n" + user.key) as path:
            context.load_cert_chain(path)
    return context


@contextmanager
def _in_memory(secret: bytes) -> Iterator[str]:
    """Yields a path that leads to memory of this process, because the ssl module reads keys from files only."""
    descriptor = os.memfd_create("kube-runbooks")
    try:
        os.write(descriptor, secret)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
