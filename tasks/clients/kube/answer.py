"""Models an API server's answer, and its meaning for the caller."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from tasks.core.errors import NotYet, Refused

JSON = dict[str, Any]

PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT})


class Conflicted(NotYet):
    """The API answers 409: somebody else was faster, and nothing was changed."""


@dataclass(frozen=True)
class Answer:
    """This is a server's answer, whatever its status."""

    status: int
    body: JSON
    retry_after: timedelta | None = None
    warnings: tuple[str, ...] = ()
    """What the server warns of, although it does what was asked."""

    @property
    def message(self) -> str:
        """Returns the server's own message, or its HTTP status if there is none."""
        return str(self.body.get("message") or "") or f"HTTP {self.status}"

    @property
    def is_fine(self) -> bool:
        """Checks for success, in the status and in the body: an eviction may answer 201 with a failure in it."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES and self.body.get("status") != "Failure"

    @property
    def is_passing(self) -> bool:
        """Checks for a failure that may be over the next time: the server is busy, or somebody else was faster."""
        return self.status in PASSING or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def parsed(data: bytes) -> JSON:
    """Returns the JSON object in the data. Other data becomes `text`.

    If the data is not JSON at all, its beginning is also the `message`.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {"text": data.decode(errors="replace"), "message": data.decode(errors="replace")[:200].strip()}
    return told if isinstance(told, dict) else {"text": data.decode(errors="replace")}


PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})")
"""Matches the escape of a character beyond U+FFFF in two parts, after an even number of backslashes."""


def to_json(body: JSON | list[JSON]) -> str:
    """Returns JSON that is also YAML, as the API server reads a server-side apply.

    YAML has no escape in two parts, so such a character is written as itself. YAML takes DEL only as an escape.
    """
    text = json.dumps(body).replace("\x7f", "\\u007f")
    return PAIR.sub(lambda found: found[1] + str(json.loads(f'"{found[2]}"')), text)


WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""Matches a header `Warning: 299 - "text"`, as RFC 7234 has it."""


def parse_warnings(headers: Iterable[str]) -> tuple[str, ...]:
    """Returns the texts of `Warning` headers."""
    return tuple(re.sub(r"\\(.)", r"\1", found[1]) for one in headers for found in WARNING.finditer(one))


def judged(request: str, answer: Answer) -> JSON:
    """Returns the object in the answer; raises `Refused` or `NotYet` if there is none."""
    if answer.is_fine:
        return answer.body
    problem = f"{request}: {answer.status} {answer.message}"
    if answer.status == HTTPStatus.CONFLICT:
        raise Conflicted(problem)
    if answer.is_passing:
        raise NotYet(problem, hint="check the API server" if answer.status not in PASSING else "")
    raise Refused(problem, hint=_HINTS.get(answer.status, ELSEWHERE if answer.status < HTTPStatus.BAD_REQUEST else ""))


ELSEWHERE = "an API server sends nobody elsewhere: check what answers at the server of kubernetes.kubeconfig"

_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "its credentials are not valid: has the certificate or the token expired?",
    HTTPStatus.FORBIDDEN: "its user needs this right: the runbooks act as an administrator of the cluster",
}
