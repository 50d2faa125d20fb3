"""How long nodes took, from the reports of earlier runs; and an upgrade's own report in words."""

from datetime import UTC, datetime, timedelta

from tasks.history import times_of
from tasks.models.report import Done, Outcome, Report
from tasks.models.upgrade import NodeUpgraded, WaveUpgraded
from tasks.models.waves import Took

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def upgraded(name: str, seconds: int) -> NodeUpgraded:
    """A node that took so long."""
    took = timedelta(seconds=seconds)
    return NodeUpgraded(node=name, before="1.36.3", after="1.37.2", parts=(Took(what="drain", took=took),), took=took)


def test_every_node_of_a_report_has_its_time() -> None:
    """Control planes are a step each, workers are in their wave; other steps have none."""
    wave = WaveUpgraded(nodes=(upgraded("w1", 40), upgraded("w2", 50)), failed={"w3": "no"})
    evidence = [upgraded("cp1", 100).model_dump(mode="json"), wave.model_dump(mode="json"), {"version": "1.37.2"}, {}]
    report = Report(
        runbook="rolling_upgrade",
        cluster="prod",
        run_id="r",
        run_name="n",
        attempt=1,
        outcome=Outcome.COMPLETED,
        started_at=NOON,
        done=tuple(Done(step="s", started_at=NOON, took=timedelta(), evidence=one) for one in evidence),
    )
    expected = {"cp1": 100, "w1": 40, "w2": 50}
    assert times_of(report) == {name: timedelta(seconds=seconds) for name, seconds in expected.items()}
