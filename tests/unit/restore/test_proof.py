"""What proves that a restored cluster works."""

import json
from typing import Any

import pytest

from tasks.core.errors import NotYet
from tasks.restore.models import Write
from tasks.restore.policy.proof import problem_of_write
from tasks.restore.probes.recovery import events_in, revision_of, written_of

SEEN = {"type": "MODIFIED", "object": {"kind": "ConfigMap", "data": {"id": "1"}}}
GONE = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "message": "too old resource version: 7 (1000000040)"},
}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (Write(id="1", watched=("0", "1"), old_is_gone=True), ""),
        (Write(id="2", watched=("1",), old_is_gone=True), "the object that was written reads '2'"),
        (Write(id="1", old_is_gone=True), "a watch did not see the write: no event"),
        (
            Write(id="1", watched=("1",), old_is_gone=False, old="200 "),
            "a watch from before the restore was not refused: '200 '",
        ),
    ],
)
def test_a_write_is_proven_by_reading_watching_and_the_end_of_old_watches(written: Write, problem: str) -> None:
    """Each of them."""
    found = problem_of_write(written, "1")
    assert (found.text if found else "") == problem


@pytest.mark.parametrize(
    ("status", "old", "gone"), [(200, [GONE], True), (410, [], True), (200, [SEEN], False), (500, [], False)]
)
def test_a_revision_is_gone_by_a_status_or_by_an_event(status: int, old: list[Any], *, gone: bool) -> None:
    """In numbers, and not in anybody's words."""
    read = {"metadata": {"name": "x", "resourceVersion": "42"}, "data": {"id": "1"}}
    written = written_of(read, [SEEN], status, old)
    assert (written.id, written.revision, written.watched, written.old_is_gone) == ("1", "42", ("1",), gone)
    assert written.old.startswith("410 " if gone else f"{status} ")


def test_a_watch_is_a_line_for_each_event() -> None:
    """None, one, or some; a proxy's page is none."""
    assert events_in({"text": "", "message": ""}) == []
    assert events_in(SEEN) == [SEEN]
    assert events_in({"text": f"{json.dumps(SEEN)}\n{json.dumps(GONE)}\n", "message": ""}) == [SEEN, GONE]
    with pytest.raises(NotYet, match="a watch answered what is no JSON: '<html>'"):
        events_in({"text": "<html>", "message": ""})


def test_a_list_says_its_revision() -> None:
    """Without one nobody knows from where to watch."""
    assert revision_of({"metadata": {"resourceVersion": "41"}}) == "41"
    with pytest.raises(NotYet, match="a list of the API has no resourceVersion"):
        revision_of({"metadata": {}})
