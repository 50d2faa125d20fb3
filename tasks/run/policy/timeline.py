"""Draws the timeline of a run as SVG, from its report alone."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import NamedTuple

from pydantic import JsonValue

from tasks.core.commands import command_of
from tasks.core.models.report import Done, Outcome, Report
from tasks.core.words import duration_in_words
from tasks.run.policy.evidence import duration_of
from tasks.run.policy.node_states import IN_PROGRESS, name_of, node_states, reasons_of, results_of

WAITS = ("gate", "reboot", "workloads", "proof")
"""Lists the first words of the parts of a node's work that only wait for something."""
MOST_LANES = 100
MOST_TICKS = 8

WIDTH, LABELS, LANE, TOP = 960, 240, 22, 34
ROOM = WIDTH - LABELS - 36
LONGEST_LABEL = 34

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 30)),
)
_ENDED_BADLY = {Outcome.FAILED, Outcome.INTERRUPTED, Outcome.CANCELLED, Outcome.CRASHED, Outcome.REFUSED}


class Bar(NamedTuple):
    """Describes one bar in a lane. `kind` is done, wait, failed or doing."""

    lane: str
    what: str
    start: datetime
    took: timedelta
    kind: str


def timeline(report: Report) -> str:
    """Returns the SVG: a lane for each step or node, waits hatched, failures red with a mark. Empty without a step."""
    bars = list(_bars(report))
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    if not lanes:
        return ""
    shown = {lane: number for number, lane in enumerate(lanes[:MOST_LANES])}
    start = min(bar.start for bar in bars)
    end = max(bar.start + bar.took for bar in bars)
    span = max((end - start).total_seconds(), 1.0)
    height = TOP + LANE * len(shown) + 34
    title = f"{command_of(report.runbook)} of {report.cluster}: {report.outcome}, {start:%Y-%m-%d %H:%M:%S} UTC"
    left_out = f"; {len(lanes) - len(shown)} more lanes are not shown" if len(lanes) > len(shown) else ""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
            'font-family="system-ui, sans-serif" font-size="12">',
            f"<title>{_text(title)}</title>",
            _HATCH,
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *_axis(start, span, height),
            *(_label(lane, number) for lane, number in shown.items()),
            *(_drawn(bar, shown[bar.lane], start, span) for bar in bars if bar.lane in shown),
            f'<text x="{LABELS}" y="{height - 10}" fill="#555555">{_text(_LEGEND + left_out)}</text>',
            "</svg>",
            "",
        )
    )


_HATCH = (
    '<defs><pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#cfe3f7"/><rect width="3" height="6" fill="#4a84bd"/></pattern></defs>'
)
_FILLS = {"done": "#2e7d4f", "wait": "url(#wait)", "failed": "#c62828", "doing": "#e0a100"}
_MARKS = {"failed": "✗", "doing": "…"}
_LEGEND = "times in UTC; green: done, hatched: waits, red ✗: failed or stopped, yellow …: in progress"


def _bars(report: Report) -> Iterator[Bar]:
    end = report.started_at
    for step in report.done:
        yield from _of_step(step)
        end = step.started_at + step.took
    if report.doing:
        until = report.ended_at or end
        kind = "failed" if report.outcome in _ENDED_BADLY else "doing"
        stopped = [node for node, state in node_states(report).items() if IN_PROGRESS in state]
        for lane in stopped or [report.doing]:
            yield Bar(lane, f"{report.doing}: {report.outcome}", end, max(until - end, timedelta()), kind)


def _of_step(step: Done) -> Iterator[Bar]:
    """Yields the bars of a step's nodes, or one bar if it worked on no node."""
    nodes = [result for result in results_of(step.evidence) if duration_of(result.get("took")) is not None]
    failed = reasons_of(step.evidence, "failed")
    if not nodes and not failed:
        yield Bar(step.step, step.step, step.started_at, step.took, "done")
    for result in nodes:
        yield from _of_node(str(name_of(result)), step, result)
    for node, why in failed.items():
        yield Bar(node, f"{step.step}: {why}", step.started_at, step.took, "failed")


def _of_node(node: str, step: Done, result: Mapping[str, JsonValue]) -> Iterator[Bar]:
    """Yields the parts of a node's work, one after the other; one bar if it has no parts."""
    parts = result.get("parts")
    at = step.started_at
    for part in parts if isinstance(parts, list) else []:
        took = duration_of(part.get("took")) if isinstance(part, dict) else None
        if took is not None and isinstance(part, dict):
            what = str(part.get("what"))
            yield Bar(node, what, at, took, "wait" if what.startswith(WAITS) else "done")
            at += took
    if at == step.started_at:
        yield Bar(node, step.step, at, duration_of(result.get("took")) or step.took, "done")


def _axis(start: datetime, span: float, height: int) -> Iterator[str]:
    first = start.timestamp()
    for tick in ticks(first, span):
        x = LABELS + ROOM * (tick - first) / span
        told = datetime.fromtimestamp(tick, UTC)
        text = f"{told:%m-%d %H:%M}" if span > _DAY else f"{told:%H:%M:%S}"
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 30}" stroke="#dddddd"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 14}" text-anchor="middle" fill="#555555">{text}</text>'


def ticks(first: float, span: float) -> Iterable[int]:
    """Returns the round seconds on the axis, at most eight."""
    step = next((step for step in _STEPS if span / step <= MOST_TICKS - 1), int(span))
    begin = -int(-first // step) * step
    return range(begin, int(first + span) + 1, step)


def _label(lane: str, number: int) -> str:
    text = lane if len(lane) <= LONGEST_LABEL else f"{lane[:LONGEST_LABEL]}…"
    y = TOP + LANE * number + 15
    return f'<text x="{LABELS - 8}" y="{y}" text-anchor="end" fill="#222222">{_text(text)}</text>'


def _drawn(bar: Bar, number: int, start: datetime, span: float) -> str:
    x = LABELS + ROOM * (bar.start - start).total_seconds() / span
    width = max(ROOM * bar.took.total_seconds() / span, 2.0)
    y = TOP + LANE * number + 3
    what = bar.what if bar.what.startswith(bar.lane) else f"{bar.lane}: {bar.what}"
    title = _text(f"{what}, {bar.start:%H:%M:%S} UTC, {duration_in_words(bar.took)}")
    mark = _MARKS.get(bar.kind, "")
    shown = f'<text x="{x + 3:.1f}" y="{y + 12}" fill="#ffffff">{mark}</text>' if mark else ""
    return (
        f'<g><title>{title}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE - 6}" '
        f'fill="{_FILLS[bar.kind]}" stroke="#ffffff" stroke-width="0.5"/>{shown}</g>'
    )


def _text(text: str) -> str:
    """Escapes a text. Characters that XML does not allow become spaces."""
    return escape("".join(one if one.isprintable() else " " for one in text))
