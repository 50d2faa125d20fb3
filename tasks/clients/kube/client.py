"""The API of a cluster over any of its servers: questions, changes, and lists page by page."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlencode

import urllib3

from tasks.clients.kube.answer import JSON, Answer, judged
from tasks.clients.kube.link import REQUEST_LIMIT, KubeServer, KubeUser, Link
from tasks.core.errors import NotYet
from tasks.core.models.outside import ListPage

log = logging.getLogger("kube_runbooks.kube")

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
        self._link: Link | None = None

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
        return judged(f"GET {path}", self.send("GET", path, query=query))

    def find(self, path: str, **query: str) -> JSON | None:
        """One object; None when there is none."""
        answer = self.send("GET", path, query=query)
        return None if answer.status == HTTPStatus.NOT_FOUND else judged(f"GET {path}", answer)

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
        return str(judged(f"GET {path}", answer).get("text", ""))

    def create(self, path: str, body: JSON) -> JSON:
        """POST to a collection or a subresource."""
        return judged(f"POST {path}", self.send("POST", path, body))

    def replace(self, path: str, body: JSON) -> JSON:
        """PUT; with metadata.resourceVersion only if nobody has changed it since."""
        return judged(f"PUT {path}", self.send("PUT", path, body))

    def patch(self, path: str, body: JSON, kind: str = "merge") -> JSON:
        """PATCH, of a kind in KINDS."""
        return judged(f"PATCH {path}", self.send("PATCH", path, body, content_type=KINDS[kind]))

    def delete(self, path: str, body: JSON | None = None) -> None:
        """DELETE; what is not there is as good as deleted."""
        answer = self.send("DELETE", path, body)
        if answer.status != HTTPStatus.NOT_FOUND:
            judged(f"DELETE {path}", answer)

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
            body = judged(f"GET {path}", answer)
            page = ListPage.read(body, f"the answer to GET {path}")
            if "items" not in body or (following and page.metadata.following == following):
                wrong = "does not go on" if following else "is no list"
                raise NotYet(f"GET {path}: the answer {wrong}", hint="check what answers there: is it the API server?")
            found += page.items
            following = page.metadata.following
            if not following:
                return found

    def _links(self, problems: list[str]) -> Iterator["Link"]:
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


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__
