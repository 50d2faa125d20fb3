"""Wraps a cluster's API over any of its servers: reads, changes, and lists page by page."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

import urllib3

from tasks.clients.kube.answer import JSON, Answer, judged
from tasks.clients.kube.link import REQUEST_LIMIT, KubeServer, KubeUser, Link
from tasks.clients.tls import why_not_trusted
from tasks.core.errors import NotTrusted, NotYet
from tasks.core.models.outside import ListPage

T = TypeVar("T")

log = logging.getLogger("kube_runbooks.kube")

PAGE = "500"
"""Limits how many objects of a list are fetched at once."""

EXPIRED_TRIES = 3
"""Limits how often a list is read from the start.

The API expires a list that takes longer than five minutes.
"""

KINDS = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "json": "application/json-patch+json",
}
"""Maps the kinds of patches to their content types."""

FIELD_MANAGER = "kube-runbooks"
"""Names us as the manager of the fields that a server-side apply sets."""

JSON_TYPE = "application/json"

HEADS = f"{JSON_TYPE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Asks for the metadata of a list's objects alone."""

DISCOVERY = f"{JSON_TYPE};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""Asks for all groups with their resources at once; every supported version of Kubernetes answers it."""

NOTHING_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)
"""Lists the errors that occur before the request is sent: another server may be tried."""


UNTRUSTED = (
    "give a kubeconfig with the CA and the name (tls-server-name) of these servers in kubernetes.kubeconfig; "
    "where a certificate has expired, run `kube-runbooks run cert-rotation CLUSTER`; where it is from the future, correct the clocks"
)


class KubeClient:
    """This is a cluster's API as one user.

    Threads may share it; if a server does not answer, it tries the next one.

    Every method but `send` raises:
        NotTrusted: no server has a trusted certificate; it is a `Refused` too.
        Refused: the API forbids it, does not know it, or finds it invalid (401, 403, 404, 422 and other 4xx).
        NotYet: no server answers, or it asks to wait (5xx, 429), or another client was faster (409). If the answer to a
            change was lost, the outcome is unknown: check it before you repeat the change.
    """

    def __init__(
        self, servers: Sequence[KubeServer], user: Callable[[], KubeUser], limit: timedelta = REQUEST_LIMIT
    ) -> None:
        """Stores the servers and the user; `limit` applies to one request to one server."""
        self._servers = list(servers)
        self._user = user
        self._limit = limit
        self._lock = threading.RLock()
        self._link: Link | None = None

    def close(self) -> None:
        """Closes its connections."""
        with self._lock:
            if self._link:
                self._link.close()
                self._link = None

    @property
    def server_name(self) -> str:
        """Returns the name of the server that is connected now; empty if none is."""
        with self._lock:
            return self._link.server.name if self._link else ""

    def prefer(self, *names: str) -> None:
        """Puts these servers first from now on; all others follow in their order."""
        with self._lock:
            first = [server for name in names for server in self._servers if server.name == name]
            self._servers = [*first, *(server for server in self._servers if server not in first)]
            if self._link and first and self._link.server.name not in names:
                self.close()

    def get(self, path: str, **query: str) -> JSON:
        """Returns one object, or a list as the API returns it."""
        return judged(f"GET {path}", self.send("GET", path, query=query))

    def find(self, path: str, **query: str) -> JSON | None:
        """Returns one object; None if it does not exist."""
        answer = self.send("GET", path, query=query)
        return None if answer.status == HTTPStatus.NOT_FOUND else judged(f"GET {path}", answer)

    def items(self, path: str, **query: str) -> list[JSON]:
        """Returns all objects of a list, which it reads page by page."""
        return self.read_all(path, _whole, **query)

    def heads(self, path: str, **query: str) -> list[JSON]:
        """Returns the objects of a list with nothing but their metadata: no Secret's data leaves the API server."""
        return self.read_all(path, _whole, accept=HEADS, **query)

    def groups(self, path: str) -> list[JSON]:
        """Returns the API groups below `/api` or `/apis`, with the resources of each."""
        return self.read_all(path, _whole, accept=DISCOVERY)

    def read_all(self, path: str, parse: Callable[[JSON], T], *, accept: str = JSON_TYPE, **query: str) -> list[T]:
        """Returns what `parse` makes of each object of a list. Of the objects, only one page is in memory at a time."""
        for _ in range(EXPIRED_TRIES):
            found = self._pages(path, query, parse, accept)
            if found is not None:
                return found
        raise NotYet(
            f"GET {path}: the list expires while it is read",
            hint="the API server is slow: check its log and the load of its node",
        )

    def text(self, path: str) -> str:
        """Returns an answer that is not JSON: /metrics, /readyz."""
        answer = self.send("GET", path)
        return str(judged(f"GET {path}", answer).get("text", ""))

    def create(self, path: str, body: JSON) -> JSON:
        """Sends POST to a collection or a subresource, and returns the answer."""
        return judged(f"POST {path}", self.send("POST", path, body))

    def replace(self, path: str, body: JSON) -> JSON:
        """Sends PUT. With metadata.resourceVersion it replaces the object only if nobody has changed it since."""
        return judged(f"PUT {path}", self.send("PUT", path, body))

    def try_replace(self, path: str, body: JSON) -> JSON:
        """Returns what `replace` would store, with the API's own defaults; it changes nothing."""
        return judged(f"PUT {path}, dry", self.send("PUT", path, body, query={"dryRun": "All"}))

    def patch(self, path: str, body: JSON | list[JSON], kind: str = "merge") -> JSON:
        """Sends PATCH, of a kind in KINDS. Only the kind json is a list, of operations."""
        return judged(f"PATCH {path}", self.send("PATCH", path, body, content_type=KINDS[kind]))

    def try_patch(self, path: str, body: JSON, kind: str = "merge") -> Answer:
        """Returns the answer to a PATCH that changes nothing: the object as it would be, or why it is refused."""
        return self.send("PATCH", path, body, query={"dryRun": "All"}, content_type=KINDS[kind])

    def apply(self, path: str, body: JSON, *, force: bool = False) -> JSON:
        """Sends a server-side apply as the manager of our fields; `force` takes fields over from other managers."""
        return judged(f"PATCH {path}, apply", self._apply(path, body, {}, force=force))

    def try_apply(self, path: str, body: JSON, *, force: bool = False) -> Answer:
        """Returns the answer to a server-side apply that changes nothing: the object as it would be, or why it is refused.

        A server that is busy raises `NotYet`: that is no refusal.
        """
        answer = self._apply(path, body, {"dryRun": "All"}, force=force)
        if answer.is_passing:
            judged(f"PATCH {path}, apply, dry", answer)
        return answer

    def _apply(self, path: str, body: JSON, query: Mapping[str, str], *, force: bool) -> Answer:
        whole = {"fieldManager": FIELD_MANAGER, "force": str(force).lower(), **query}
        return self.send("PATCH", path, body, query=whole, content_type=KINDS["apply"])

    def try_create(self, path: str, body: JSON) -> Answer:
        """Returns the answer to a POST that changes nothing, with all of admission: quotas, policies, webhooks."""
        return self.send("POST", path, body, query={"dryRun": "All"})

    def delete(self, path: str, body: JSON | None = None) -> None:
        """Sends DELETE; an object that does not exist counts as deleted."""
        answer = self.send("DELETE", path, body)
        if answer.status != HTTPStatus.NOT_FOUND:
            judged(f"DELETE {path}", answer)

    def send(  # noqa: PLR0913 - each has a name at the call
        self,
        method: str,
        path: str,
        body: JSON | list[JSON] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON_TYPE,
        accept: str = JSON_TYPE,
    ) -> Answer:
        """Returns the answer, whatever its status.

        It sends a GET to each server in turn until one answers with less than 500.

        It raises NotYet if no server answers, and NotTrusted if no server has a trusted certificate.
        """
        where = f"{path}?{urlencode(query)}" if query else path
        problems: list[str] = []
        untrusted: set[str] = set()
        for link in self._links(problems):
            try:
                answer = link.request(method, where, body, content_type, accept)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._drop(link)
                reason = why_not_trusted(error)
                problems.append(f"{link.server.name}: {f'its certificate: {reason}' if reason else _words(error)}")
                if reason:
                    untrusted.add(link.server.name)
                if method != "GET" and not isinstance(error, NOTHING_SENT):
                    raise NotYet(
                        f"{method} {path}: {problems[-1]}; outcome unknown", hint="check the API server"
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
        if untrusted == {server.name for server in self._servers}:
            raise NotTrusted(f"{method} {path}: no API server is trusted: {'; '.join(problems)}", hint=UNTRUSTED)
        raise NotYet(f"{method} {path}: no API server answers: {'; '.join(problems)}", hint="check the API servers")

    def _pages(self, path: str, query: Mapping[str, str], parse: Callable[[JSON], T], accept: str) -> list[T] | None:
        found: list[T] = []
        following = ""
        while True:
            more = {"continue": following} if following else {}
            answer = self.send("GET", path, query={"limit": PAGE, **query, **more}, accept=accept)
            if answer.status == HTTPStatus.GONE:
                return None
            body = judged(f"GET {path}", answer)
            page = ListPage.read(body, f"the answer to GET {path}")
            if "items" not in body or (following and page.metadata.following == following):
                wrong = "does not go on" if following else "is no list"
                raise NotYet(f"GET {path}: the answer {wrong}", hint="check what answers there: is it the API server?")
            found += [parse(one) for one in page.items]
            following = page.metadata.following
            if not following:
                return found

    def _links(self, problems: list[str]) -> Iterator["Link"]:
        """Yields the open connection first, then one to each server that has not been tried."""
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

    def _open_first(self, servers: Sequence[KubeServer], tried: set[str], problems: list[str]) -> "Link | None":
        for server in servers:
            try:
                self._link = Link(server, self._user(), self._limit)
            except NotYet as error:
                tried.add(server.name)
                problems.append(error.problem)
                continue
            return self._link
        return None

    def _drop(self, link: "Link") -> None:
        with self._lock:
            if self._link is link:
                self._link = None
        link.close()


def _whole(one: JSON) -> JSON:
    return one


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__
