"""The report as one file that can be sent to somebody, and what lies in the bucket."""

import base64
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import cast

import pytest

from tasks.clients.objectstore import ObjectStore
from tasks.core.models.plan import Plan, Step, Term
from tasks.core.models.report import Done, Outcome, Report
from tasks.core.redaction import MASK, remember_secret
from tasks.run import reports
from tasks.run.page import POLICY, to_html
from tests.facts.buckets import Bucket

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = 'hunter2&<"quoted">'
REPORT = Report(
    runbook="rolling_upgrade",
    cluster="prod",
    run_id="0a1b2c3d-0000-0000-0000-000000000000",
    run_name="upgrade-prod",
    attempt=1,
    outcome=Outcome.FAILED,
    started_at=NOON,
    ended_at=NOON + timedelta(minutes=1),
    plan=Plan(
        digest="b5676116609d4e8d",
        steps=(Step(subject="cp1", act="kubeadm upgrade <apply>", reason="v1.36.3"),),
        terms=(Term(name="version", value="1.37.2"),),
    ),
    done=(
        Done(step="check store", started_at=NOON, took=timedelta(seconds=1)),
        Done(step="observe upgrade", started_at=NOON, took=timedelta(seconds=1), evidence={"said": f"pass {SECRET}"}),
    ),
    doing="upgrade control plane node",
    problem="<script>alert(1)</script>\nthe last line",
    next_step="prefect flow-run retry 0a1b2c3d",
    way_back="only if etcd has lost its data: restore",
)


class Tags(HTMLParser):
    """All tags, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} & {"href", "src", "onclick"}
        if tag != "meta":
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def test_the_page_is_one_file_without_a_script_or_a_reference() -> None:
    """What other programs said is text in it."""
    page = to_html(REPORT, "<svg></svg>")
    tags = Tags()
    tags.feed(page)
    assert tags.opened == []
    assert {"details", "table", "svg", "style"} <= tags.seen
    assert "script" not in tags.seen
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "kubeadm upgrade &lt;apply&gt;" in page
    assert "<dt>Way back</dt><dd>only if etcd has lost its data: restore</dd>" in page
    assert "<td>cp1</td><td>in progress when the run stopped; this run may have cordoned it</td>" in page


def test_a_page_without_plan_steps_and_problem_has_no_empty_parts() -> None:
    """A run that was refused at its input."""
    page = to_html(REPORT.model_copy(update={"plan": None, "done": (), "problem": "", "way_back": ""}), "")
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Details"]
    bare = to_html(REPORT.model_copy(update={"plan": Plan(digest="b5676116609d4e8d"), "doing": ""}), "")
    assert "Made for these parameters" not in bare


def test_the_bucket_has_the_report_in_four_forms_without_secrets() -> None:
    """A secret is masked before a page escapes it and before a picture encodes it."""
    remember_secret(SECRET)
    bucket = Bucket()
    reports.keep_report(cast("ObjectStore", bucket), REPORT)
    key = reports.report_key(cast("ObjectStore", bucket), REPORT)
    assert sorted(bucket.kept) == [f"{key}.html", f"{key}.json", f"{key}.md", f"{key}.svg"]
    for text in bucket.kept.values():
        assert b"hunter2" not in text
    assert MASK.encode() in bucket.kept[f"{key}.html"]
    assert f"![timeline of the run]({key.rpartition('/')[2]}.svg)".encode() in bucket.kept[f"{key}.md"]
    refused = REPORT.model_copy(update={"done": (), "doing": ""})
    bucket.kept.clear()
    reports.keep_report(cast("ObjectStore", bucket), refused)
    assert f"{key}.svg" not in bucket.kept


def test_the_ui_shows_the_timeline_from_a_data_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows no picture from a bucket, and no SVG within Markdown."""
    shown: dict[str, object] = {}
    monkeypatch.setattr(reports, "shown_if_possible", lambda _, **arguments: shown.update(arguments))
    reports.show_report(REPORT)
    found = re.search(r"!\[timeline of the run\]\(data:image/svg\+xml;base64,([^)]+)\)", str(shown["markdown"]))
    assert found
    assert base64.b64decode(found[1]).startswith(b"<svg ")
    reports.show_report(REPORT.model_copy(update={"done": (), "doing": ""}))
    assert "data:image" not in str(shown["markdown"])
