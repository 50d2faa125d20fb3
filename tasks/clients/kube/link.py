"""Connections to one API server, by TCP or through a unix socket; keys are handed to TLS through memory and are never on a disk."""

import json
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

from tasks.clients.kube.answer import JSON, Answer, parsed
from tasks.clients.tls import tls_context
from tasks.core.errors import NotYet

REQUEST_LIMIT = timedelta(seconds=20)
"""For one request to one server."""


@dataclass(frozen=True)
class KubeUser:
    """Whom the API sees, and by which CA its servers are known. Never printed."""

    ca: bytes = field(repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class KubeServer:
    """One API server, or the load balancer before several: `open` gives `https://HOST:PORT`, or the path of a socket."""

    name: str
    open: Callable[[], AbstractContextManager[str | Path]] = field(repr=False)
    server_name: str = ""
    """That its certificate has to be for; empty for the host of its address."""


class Link:
    """Connections to one server."""

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
        """Ends them."""
        self._api.rest_client.pool_manager.clear()
        with suppress(OSError, NotYet):
            self._opened.__exit__(None, None, None)

    def request(self, method: str, where: str, body: JSON | None, content_type: str) -> Answer:
        """What the server says, whatever it is; an error of urllib3 where it says nothing."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        pools: urllib3.PoolManager = self._api.rest_client.pool_manager
        answer = pools.request(
            method,
            f"{self._host}{where}",
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=5, read=self._limit.total_seconds()),
            retries=False,
        )
        wait = answer.headers.get("Retry-After", "")
        return Answer(
            answer.status,
            parsed(answer.data),
            timedelta(seconds=int(wait)) if re.fullmatch("[0-9]{1,6}", wait) else None,
        )

    def is_not_serving(self, answer: Answer) -> bool:
        """A server that has just started forbids everything for a moment: it has not read yet who may do what."""
        if answer.status != HTTPStatus.FORBIDDEN:
            return False
        try:
            return self.request("GET", "/readyz", None, "application/json").status != HTTPStatus.OK
        except (urllib3.exceptions.HTTPError, OSError):
            return True


def _pools(place: str, server_name: str, user: KubeUser) -> urllib3.PoolManager:
    arguments: dict[str, Any] = {"ssl_context": _tls(user), "maxsize": 16, "retries": False}
    if server_name:
        arguments |= {"server_hostname": server_name, "assert_hostname": server_name}
    pools = urllib3.PoolManager(**arguments)
    if not place.startswith("https://"):
        connection = type("_Through", (_UnixConnection,), {"socket_path": place})
        pool = type("_ThroughPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": connection})
        pools.pool_classes_by_scheme = {"https": pool}
    return pools


class _UnixConnection(HTTPSConnection):
    """TLS over a unix socket."""

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
    """A path that leads to memory of this process: the ssl module reads keys from files only."""
    descriptor = os.memfd_create("kube-runbooks")
    try:
        os.write(descriptor, secret)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
