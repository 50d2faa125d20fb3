"""What an API server says, and what that means for whoever asked."""

import json
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from tasks.core.errors import NotYet, Refused

JSON = dict[str, Any]

PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT})


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


def parsed(data: bytes) -> JSON:
    """What is no JSON object has its words as `text`, and the first of them as `message`."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {"text": data.decode(errors="replace"), "message": data.decode(errors="replace")[:200].strip()}
    return told if isinstance(told, dict) else {"text": data.decode(errors="replace")}


def judged(request: str, answer: Answer) -> JSON:
    """The object in it; `Refused` or `NotYet` where there is none."""
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
