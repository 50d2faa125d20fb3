"""What the status of an answer means, also one that no API server gives."""

import pytest

from tasks.clients.kube.answer import Answer, judged, parsed
from tasks.core.errors import NotYet, Refused, RunbookError


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (302, Refused, "GET /x: 302 <html> -> an API server sends nobody elsewhere"),
        (304, Refused, "sends nobody elsewhere"),
        (401, Refused, "its credentials are not valid"),
        (404, Refused, "GET /x: 404"),
        (460, Refused, "GET /x: 460"),
        (499, Refused, "GET /x: 499"),
        (429, NotYet, "GET /x: 429"),
        (525, NotYet, "GET /x: 525 <html> -> check the API server"),
    ],
)
def test_what_is_no_success_is_an_error_of_ours(status: int, kind: type[RunbookError], told: str) -> None:
    """A page of a portal or of a load balancer is never an object without fields."""
    with pytest.raises(kind) as caught:
        judged("GET /x", Answer(status, parsed(b"<html>")))
    assert told in str(caught.value)
