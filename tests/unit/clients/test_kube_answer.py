"""What the status of an answer means, also one that no API server gives."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.clients.kube.answer import Answer, judged, parsed, to_json
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


TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\\\x7f\U0001f600"ud83')))


@given(TEXTS)
def test_what_is_sent_is_json_and_yaml(text: str) -> None:
    """A server-side apply is read as YAML, which has no escape of a character in two parts."""
    body = {"a": text, text: [1, None, "\\\U0001f600\\ud83d"]}
    assert json.loads(to_json(body)) == body
    assert yaml.safe_load(to_json({"a": text})) == {"a": text}
