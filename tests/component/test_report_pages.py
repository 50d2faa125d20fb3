"""The page of each runbook's report in a real browser: it loads nothing, nothing is cut off, and the timeline is drawn."""

from pathlib import Path

from playwright.sync_api import Page

from tasks.core.commands import command_of
from tasks.core.models.report import Report
from tasks.run.page import to_html
from tasks.run.policy.timeline import timeline
from tests.facts.reports import all_reports
from tests.servers.browser import chromium

REPORTS = all_reports()
LIMIT = 150.0

OUTSIDE = """() => {
  const picture = document.querySelector('svg')
  if (!picture) return []
  const room = picture.getBoundingClientRect()
  return [...picture.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect()
    return box.left < room.left - 1 || box.right > room.right + 1 || box.bottom > room.bottom + 1
  }).map(text => text.textContent)
}"""
"""The texts of the timeline that are not all inside of it."""

TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""By how many pixels the page is wider than its window."""


def wrong_with(page: Page, file: Path, report: Report) -> list[object]:
    """What a reader would miss: the head, a step, a text of the timeline; what is cut off; what is loaded or complained about."""
    said: list[object] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    head = f"{command_of(report.runbook)} of {report.cluster}: {report.outcome}"
    if not page.get_by_role("heading", name=head).is_visible():
        said.append("no head")
    if page.locator("details").count() != sum(1 for step in report.done if step.evidence):
        said.append("a step is missing")
    said.extend(page.evaluate(OUTSIDE))
    for width in (480, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        said.extend(f"{width}: {pixels} px too wide" for pixels in [page.evaluate(TOO_WIDE)] if pixels)
    return said


def test_a_page_shows_all_of_its_report(browser: str, tmp_path: Path, screenshots: Path) -> None:
    """As a file that somebody was sent, on a small window too."""
    wrong = {}
    with chromium(browser, tmp_path / "profile", LIMIT) as first:
        for name, report in REPORTS.items():
            file = tmp_path / f"{name}.html"
            file.write_text(to_html(report, timeline(report)))
            page = first.context.new_page()
            wrong[name] = wrong_with(page, file, report)
            page.screenshot(path=screenshots / f"report-{name}.png", full_page=True)
            page.close()
    assert wrong == {name: [] for name in REPORTS}
