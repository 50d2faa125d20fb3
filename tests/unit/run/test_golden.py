"""The report of each runbook, as people read it, against a golden file.

`KUBE_RUNBOOKS_GOLDEN=write .venv/bin/pytest -n 0 tests/unit/run/test_golden.py` writes the files; read the difference.
"""

import os
import re
from pathlib import Path

import pytest

from tasks.core.models.report import Report
from tasks.run.markdown import to_markdown
from tasks.run.page import to_html
from tasks.run.policy.timeline import timeline
from tests.facts.reports import all_reports

GOLDEN = Path(__file__).parent / "golden"
REPORTS = all_reports()
if os.environ.get("KUBE_RUNBOOKS_GOLDEN") == "write":
    GOLDEN.mkdir(exist_ok=True)
    for _name, _report in REPORTS.items():
        (GOLDEN / f"{_name}.md").write_text(to_markdown(_report))


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_report_reads_as_its_golden_file(name: str) -> None:
    """Whoever changes a line of a report sees all that it changes."""
    assert to_markdown(REPORTS[name]) == (GOLDEN / f"{name}.md").read_text()


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_no_cell_is_long_and_each_report_is_kept_in_every_form(name: str) -> None:
    """The JSON is what a hook in another process reads."""
    report = Report.model_validate_json(REPORTS[name].model_dump_json())
    assert report == REPORTS[name]
    picture = timeline(report)
    assert picture in to_html(report, picture)
    steps = to_markdown(report).partition("## Steps")[2]
    assert max(map(len, steps.splitlines())) < 360


def test_every_runbook_has_a_golden_file_and_every_file_a_report() -> None:
    """A new runbook needs its own."""
    flows = "".join(file.read_text() for file in (Path(__file__).parents[3] / "flows").glob("*.py"))
    assert {name.partition("-")[0] for name in REPORTS} == set(re.findall(r'@flow\(name="(\w+)"', flows))
    assert {file.stem for file in GOLDEN.glob("*.md")} == set(REPORTS)
