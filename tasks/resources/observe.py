"""Reads the kinds of the API, and their objects page by page, all at one resourceVersion."""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from tasks.clients.kube import JSON, Answer, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.models import outside
from tasks.core.models.plan import Skip
from tasks.resources.models import Kind
from tasks.resources.policy.pages import FIRST_PAGE, next_limit
from tasks.resources.probes.kinds import parse_kinds

PATIENCE = timedelta(seconds=15)
"""Limits the wait for a kind that does not answer, or for an API server that is behind the instant."""

APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
EXPIRED_TRIES = 3


class Expired(RunbookError):
    """The API does not have the objects of this resourceVersion any more."""


class Unread(RunbookError):
    """A kind was not read, although the API answers."""


def read_kinds(kube: KubeClient) -> tuple[tuple[Kind, ...], tuple[Skip, ...]]:
    """Returns the kinds that the API serves, and the groups that do not answer."""
    return parse_kinds([*kube.groups("/api"), *kube.groups("/apis")], kube.items(APISERVICES))


def read_version(kube: KubeClient) -> str:
    """Returns the version of the API server."""
    return outside.Version.read(kube.get("/version"), "the version of the API").git_version


class Reader:
    """Reads lists, and counts the requests."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self.requests = 0

    def instant(self) -> str:
        """Returns the newest resourceVersion of the cluster, which all kinds share."""
        self.requests += 1
        return _list(self._kube.get("/api/v1/namespaces", limit="1"), "namespaces").metadata.resource_version

    def pages(self, kind: Kind, instant: str) -> Iterator[list[JSON]]:
        """Yields the objects of a kind at that resourceVersion; if it is empty, as they are now.

        Raises:
            Expired: the API does not have this resourceVersion any more; of objects as they are now, a list that expires
                is read again from where it is, which the API allows
            Unread: the kind does not answer, or may not be read
            NotYet: the API as a whole does not answer
        """
        query = {"resourceVersion": instant, "resourceVersionMatch": "Exact"} if instant else {}
        following, limit = "", FIRST_PAGE
        while True:
            more = {"continue": following} if following else query
            answer = self._ask(kind, {"limit": str(limit), **more})
            if answer.status == HTTPStatus.GONE:
                following = (answer.body.get("metadata") or {}).get("continue") or ""
                if instant or not following:
                    raise Expired(f"{kind.label}: {answer.message}")
                continue
            if not answer.is_fine:
                raise Unread(f"HTTP {answer.status}: {answer.message}"[:300])
            page = _list(answer.body, kind.label)
            yield list(page.items)
            limit = next_limit(page.items)
            following = page.metadata.following
            if not following:
                return

    def _ask(self, kind: Kind, query: dict[str, str]) -> Answer:
        def look() -> Answer:
            self.requests += 1
            answer = self._kube.send("GET", kind.path, query=query)
            if answer.is_passing:
                raise NotYet(f"HTTP {answer.status}: {answer.message}"[:300])
            return answer

        try:
            return wait_for(look, PATIENCE, what="its objects", about=kind.label)
        except NotYet as error:
            self._kube.get("/readyz")  # raises NotYet if the API as a whole is away
            raise Unread(error.problem) from None


def _list(body: JSON, what: str) -> outside.ListPage:
    if "items" not in body:
        raise NotYet(f"{what}: the answer is no list", hint="check what answers there: is it the API server?")
    return outside.ListPage.read(body, f"the list of {what}")
