"""The Kubernetes API: JSON in, JSON out, over any of a cluster's API servers. The only importer of `kubernetes`.

Objects stay JSON here and become models in `tasks/probes`: answers such as an eviction's 201 with a failure inside are
lost in the client's own types. A server is reached by TCP or through a unix socket (an SSH tunnel's end); keys are handed to
TLS through memory and are never on a disk.
"""

import json
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration
from urllib3.connection import HTTPSConnection

from tasks.clients.tls import tls_context
from tasks.core.errors import NotYet, Refused
from tasks.core.models.outside import ListPage

log = logging.getLogger("kube_runbooks.kube")

JSON = dict[str, Any]

REQUEST_LIMIT = timedelta(seconds=20)

PAGE = "500"
"""Objects of a list that are fetched at once."""

EXPIRED_TRIES = 3
"""A list that takes longer than five minutes has to begin again."""

KINDS = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
"""Of patches."""

NOTHING_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)
"""Errors before the request: another server may be asked for it."""

PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT})


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


@dataclass(frozen=True)
class Answer:
    """What a server said, whatever it was."""

    status: int
    body: JSON
    retry_after: timedelta | None = None

    @property
    def message(self) -> str:
        """In the server's words."""
        return str(self.body.get("message") or "") or f"HTTP {self.status}"

    @property
    def is_fine(self) -> bool:
        """Success, also by what it says: an eviction may answer 201 with a failure in it."""
        return self.status < HTTPStatus.BAD_REQUEST and self.body.get("status") != "Failure"


class KubeClient:
    """A cluster's API as one user. May be shared by threads; the next server is asked when one does not answer.

    Every method but `send` raises:
        Refused: the API forbids it, does not know it, or finds it invalid (401, 403, 404, 422 and other 4xx).
        NotYet: no server answers, or it asks for patience (5xx, 429), or somebody else was faster (409). What became of a
            change whose answer was lost is unknown: look before it is done again.
    """

    def __init__(
        self, servers: Sequence[KubeServer], user: Callable[[], KubeUser], limit: timedelta = REQUEST_LIMIT
    ) -> None:
        """`limit` is for one request to one server."""
        self._servers = list(servers)
        self._user = user
        self._limit = limit
        self._lock = threading.RLock()
        self._link: _Link | None = None

    def close(self) -> None:
        """End its connections."""
        with self._lock:
            if self._link:
                self._link.close()
                self._link = None

    def prefer(self, *names: str) -> None:
        """These servers are asked first from now on; all others after them, in their order."""
        with self._lock:
            first = [server for name in names for server in self._servers if server.name == name]
            self._servers = [*first, *(server for server in self._servers if server not in first)]
            if self._link and first and self._link.server.name not in names:
                self.close()

    def get(self, path: str, **query: str) -> JSON:
        """One object, or a list as it comes."""
        return _judged(f"GET {path}", self.send("GET", path, query=query))

    def find(self, path: str, **query: str) -> JSON | None:
        """One object; None when there is none."""
        answer = self.send("GET", path, query=query)
        return None if answer.status == HTTPStatus.NOT_FOUND else _judged(f"GET {path}", answer)

    def items(self, path: str, **query: str) -> list[JSON]:
        """All objects of a list, page by page."""
        for _ in range(EXPIRED_TRIES):
            found = self._pages(path, query)
            if found is not None:
                return found
        raise NotYet(f"GET {path}: the list expires while it is read", hint="the API server is slow: look at it")

    def text(self, path: str) -> str:
        """What is no JSON: /metrics, /readyz."""
        answer = self.send("GET", path)
        return str(_judged(f"GET {path}", answer).get("text", ""))

    def create(self, path: str, body: JSON) -> JSON:
        """POST to a collection or a subresource."""
        return _judged(f"POST {path}", self.send("POST", path, body))

    def replace(self, path: str, body: JSON) -> JSON:
        """PUT; with metadata.resourceVersion only if nobody has changed it since."""
        return _judged(f"PUT {path}", self.send("PUT", path, body))

    def patch(self, path: str, body: JSON, kind: str = "merge") -> JSON:
        """PATCH, of a kind in KINDS."""
        return _judged(f"PATCH {path}", self.send("PATCH", path, body, content_type=KINDS[kind]))

    def delete(self, path: str, body: JSON | None = None) -> None:
        """DELETE; what is not there is as good as deleted."""
        answer = self.send("DELETE", path, body)
        if answer.status != HTTPStatus.NOT_FOUND:
            _judged(f"DELETE {path}", answer)

    def send(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """The answer, whatever its status. A question is put to each server in turn until one answers it with less than 500.

        Raises NotYet when no server answers.
        """
        where = f"{path}?{urlencode(query)}" if query else path
        problems: list[str] = []
        for link in self._links(problems):
            try:
                answer = link.request(method, where, body, content_type)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._drop(link)
                problems.append(f"{link.server.name}: {_words(error)}")
                if method != "GET" and not isinstance(error, NOTHING_SENT):
                    raise NotYet(
                        f"{method} {path}: {problems[-1]}; outcome unknown", hint="look at the API server"
                    ) from None
                continue
            if link.is_not_serving(answer):
                self._drop(link)
                problems.append(f"{link.server.name}: it is starting: {answer.status} {answer.message}")
                continue  # nothing was done: it has asked nobody whether this is allowed
            if method == "GET" and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and len(self._servers) > 1:
                self._drop(link)
                problems.append(f"{link.server.name}: {answer.status} {answer.message}")
                continue
            return answer
        raise NotYet(f"{method} {path}: no API server answers: {'; '.join(problems)}", hint="look at the API servers")

    def _pages(self, path: str, query: Mapping[str, str]) -> list[JSON] | None:
        found: list[JSON] = []
        following = ""
        while True:
            more = {"continue": following} if following else {}
            answer = self.send("GET", path, query={"limit": PAGE, **query, **more})
            if answer.status == HTTPStatus.GONE:
                return None
            body = _judged(f"GET {path}", answer)
            page = ListPage.read(body, f"the answer to GET {path}")
            if "items" not in body or (following and page.metadata.following == following):
                wrong = "does not go on" if following else "is no list"
                raise NotYet(f"GET {path}: the answer {wrong}", hint="check what answers there: is it the API server?")
            found += page.items
            following = page.metadata.following
            if not following:
                return found

    def _links(self, problems: list[str]) -> Iterator["_Link"]:
        """The open connection first, then one to each server that has not been tried."""
        tried: set[str] = set()
        while True:
            with self._lock:
                link = self._link
                if link is None or link.server.name in tried:
                    rest = [server for server in self._servers if server.name not in tried]
                    link = self._open_first(rest, tried, problems)
                if link is None:
                    return
                tried.add(link.server.name)
            yield link

    def _open_first(self, servers: Sequence[KubeServer], tried: set[str], problems: list[str]) -> "_Link | None":
        for server in servers:
            try:
                self._link = _Link(server, self._user(), self._limit)
            except NotYet as error:
                tried.add(server.name)
                problems.append(error.problem)
                continue
            return self._link
        return None

    def _drop(self, link: "_Link") -> None:
        with self._lock:
            if self._link is link:
                self._link = None
        link.close()


class _Link:
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
        self._api.rest_client.pool_manager.clear()
        with suppress(OSError, NotYet):
            self._opened.__exit__(None, None, None)

    def request(self, method: str, where: str, body: JSON | None, content_type: str) -> Answer:
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
            _body(answer.data),
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


def _body(data: bytes) -> JSON:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {"text": data.decode(errors="replace"), "message": data.decode(errors="replace")[:200].strip()}
    return told if isinstance(told, dict) else {"text": data.decode(errors="replace")}


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


def _judged(request: str, answer: Answer) -> JSON:
    if answer.is_fine:
        return answer.body
    problem = f"{request}: {answer.status} {answer.message}"
    if answer.status in PASSING or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NotYet(problem, hint="look at the API server" if answer.status not in PASSING else "")
    raise Refused(problem, hint=_HINTS.get(HTTPStatus(answer.status), ""))


_HINTS = {
    HTTPStatus.UNAUTHORIZED: "its credentials are not valid: has the certificate or the token expired?",
    HTTPStatus.FORBIDDEN: "its user needs this right: the runbooks act as an administrator of the cluster",
}


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__
