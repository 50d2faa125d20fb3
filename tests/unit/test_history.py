"""How long nodes took, from the reports of earlier runs; and an upgrade's own report in words."""

from datetime import UTC, datetime, timedelta
from typing import cast

from tasks.clients.objectstore import ObjectStore
from tasks.history import keep_record, read_records, times_of
from tasks.models.patch import Earlier, NodePatched
from tasks.models.report import Done, Outcome, Report
from tasks.models.upgrade import NodeUpgraded, WaveUpgraded
from tasks.models.waves import Took
from tests.unit.buckets import Bucket

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


def test_the_newest_record_of_a_node_says_how_long_it_takes() -> None:
    """Each run has one, also when it is kept twice. What went on with another run's work says nothing of the time of a node."""
    store = cast("ObjectStore", Bucket())
    for day, seconds, whole in ((1, 100, True), (2, 50, True), (2, 60, True), (3, 5, False)):
        at, took = NOON + timedelta(days=day), timedelta(seconds=seconds)
        record = NodePatched(node="w1", run_id=f"{day}a1b2c3d-1", at=at, whole=whole, took=took)
        place = keep_record(store, "prod", record)
    assert place == "s3://b/prod/nodes/w1/os-patch/20261127T120000Z-3a1b2c3d-1.json"
    found = read_records(store, "prod", ["w1", "w2"])
    assert found == {"w1": Earlier(took=timedelta(seconds=60), rebooted=False)}
    (last,) = (body for key, body in cast("Bucket", store).kept.items() if "20261127" in key)
    assert NodePatched.model_validate_json(last).record == place
