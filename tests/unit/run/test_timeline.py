"""The picture of a run, from its report alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tasks.core.models.plan import Plan, Step
from tasks.core.models.report import Done, Outcome, Report
from tasks.run.policy.timeline import MOST_LANES, ticks, timeline

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
STAGED = Done(step="stage upgrade", started_at=NOON, took=timedelta(seconds=60))
CP1 = Done(
    step="upgrade control plane node",
    started_at=NOON + timedelta(seconds=60),
    took=timedelta(seconds=100),
    evidence={
        "node": "cp1",
        "took": "PT100S",
        "parts": [{"what": "gate", "took": "PT10S"}, {"what": "kubeadm upgrade", "took": "PT80S"}, {"what": "x"}, 3],
    },
)
WAVE = Done(
    step="upgrade wave",
    started_at=NOON + timedelta(seconds=160),
    took=timedelta(seconds=20),
    evidence={"nodes": [{"node": "w<1>", "took": "PT20S"}], "failed": {"w2": "no\x1b disk"}},
)


def report(*done: Done, **changes: Any) -> Report:  # noqa: ANN401 - fields of Report
    """A run that failed after five minutes."""
    values: dict[str, Any] = {
        "outcome": Outcome.FAILED,
        "ended_at": NOON + timedelta(minutes=5),
        "done": done,
    } | changes
    return Report(runbook="x", cluster="prod", run_id="r", run_name="n", attempt=1, started_at=NOON, **values)


def parsed(svg: str) -> ET.Element:
    """The picture; a browser shows none that is not well-formed."""
    return ET.fromstring(svg)  # noqa: S314 - it is our own


def bars(svg: str) -> list[tuple[str, str]]:
    """Title and colour of each bar."""
    return [
        (str(group.findtext(f"{SVG}title")), str(group.find(f"{SVG}rect").get("fill")))  # type: ignore[union-attr]
        for group in parsed(svg).iter(f"{SVG}g")
    ]


def labels(svg: str) -> list[str]:
    """The lanes from top to bottom."""
    return [str(one.text) for one in parsed(svg).iter(f"{SVG}text") if one.get("text-anchor") == "end"]


def test_a_lane_for_each_step_or_node_waits_hatched_failures_red() -> None:
    """The parts of a node's work follow one another."""
    plan = Plan(steps=tuple(Step(subject=name, act="upgrade", reason="old") for name in ("cp1", "w<1>", "w2", "w3")))
    svg = timeline(report(STAGED, CP1, WAVE, doing="upgrade wave", plan=plan))
    assert labels(svg) == ["stage upgrade", "cp1", "w<1>", "w2", "w3"]
    assert bars(svg) == [
        ("stage upgrade, 12:00:00 UTC, 1 min", "#2e7d4f"),
        ("cp1: gate, 12:01:00 UTC, 10 s", "url(#wait)"),
        ("cp1: kubeadm upgrade, 12:01:10 UTC, 1 min 20 s", "#2e7d4f"),
        ("w<1>: upgrade wave, 12:02:40 UTC, 20 s", "#2e7d4f"),
        ("w2: upgrade wave: no  disk, 12:02:40 UTC, 20 s", "#c62828"),
        ("w3: upgrade wave: failed, 12:03:00 UTC, 2 min", "#c62828"),
    ]
    assert svg.count("✗</text>") == 2
    assert parsed(svg).findtext(f"{SVG}title") == "x of prod: failed, 2026-11-24 12:00:00 UTC"
    assert "viewBox" in svg
    assert "<script" not in svg
    assert svg.count("http") == 1  # the name space, and no reference


def test_a_run_in_progress_and_one_without_steps() -> None:
    """What is under way has no end yet."""
    assert timeline(report()) == ""
    running = timeline(report(outcome=Outcome.RUNNING, ended_at=None, doing="take snapshot"))
    assert bars(running) == [("take snapshot: running, 12:00:00 UTC, 0 s", "#e0a100")]


def test_many_lanes_are_cut_and_long_names_are_shortened() -> None:
    """The picture stays small; the JSON has everything."""
    many = tuple(STAGED.model_copy(update={"step": f"{number} {'x' * 40}"}) for number in range(MOST_LANES + 3))
    svg = timeline(report(*many))
    assert "3 more lanes are not shown" in svg
    assert len(labels(svg)) == MOST_LANES
    assert labels(svg)[0].endswith("…")


@pytest.mark.parametrize("span", [1.0, 7.0, 59.5, 61.0, 3_000.0, 86_000.0, 200_000.0, 90_000_000.0])
def test_the_axis_has_at_most_eight_ticks_at_round_times(span: float) -> None:
    """From seconds to years."""
    found = list(ticks(NOON.timestamp() + 0.5, span))
    assert 0 < len(found) <= 8
    assert all(NOON.timestamp() < tick <= NOON.timestamp() + 0.5 + span for tick in found)


def test_a_run_of_days_has_dates_on_its_axis() -> None:
    """It waited for an approval, for example."""
    later = STAGED.model_copy(update={"started_at": NOON + timedelta(days=2)})
    assert ">11-25 12:00</text>" in timeline(report(STAGED, later))
