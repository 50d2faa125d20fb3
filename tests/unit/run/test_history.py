"""How long nodes took, from the reports of earlier runs; and an upgrade's own report in words."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tasks.clients.objectstore import ObjectStore
from tasks.core.models.report import Done, Outcome, Report, Took
from tasks.os_patch.models.outcome import NodePatched
from tasks.os_patch.records import keep_record, read_records
from tasks.run.history import read_history, times_of
from tasks.run.reports import report_prefix
from tasks.upgrade.models.upgrade import NodeUpgraded, WaveUpgraded
from tests.facts.buckets import Bucket

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


def test_what_another_version_left_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Reports and records only say how long nodes may take: no run ends because of one."""
    bucket = Bucket()
    store = cast("ObjectStore", bucket)
    report = Report(
        runbook="node_os_patch",
        cluster="prod",
        run_id="r",
        run_name="n",
        attempt=1,
        outcome=Outcome.COMPLETED,
        started_at=NOON,
        done=(
            Done(step="s", started_at=NOON, took=timedelta(), evidence=upgraded("w1", 40).model_dump(mode="json")),
            Done(step="s", started_at=NOON, took=timedelta(), evidence={"node": "w2", "took": "long", "parts": []}),
        ),
    )
    folder = report_prefix(store, "prod", "node_os_patch")
    bucket.kept[f"{folder}1.json"] = report.model_dump_json().encode()
    running = report.model_copy(update={"outcome": Outcome.RUNNING})
    bucket.kept[f"{folder}2.json"] = running.model_dump_json().replace('"w1"', '"w3"').encode()
    bucket.kept[f"{folder}3.json"] = b'{"of": "another version"}'
    bucket.kept[f"{folder}4.json"] = b""
    assert read_history(store, "prod", "node_os_patch") == {"w1": timedelta(seconds=40)}
    keep_record(
        store, "prod", NodePatched(node="w1", run_id="1a1b2c3d-1", at=NOON, whole=True, took=timedelta(seconds=9))
    )
    bucket.kept["prod/nodes/w1/os-patch/20991127T120000Z-3a1b2c3d.json"] = b"[]"
    assert read_records(store, "prod", ["w1"])["w1"].took == timedelta(seconds=9)
    assert (
        "s3://b/prod/nodes/w1/os-patch/20991127T120000Z-3a1b2c3d.json is passed over: it could not be parsed"
        in caplog.text
    )
    bucket.refuses = f"{folder}1.json"
    assert read_history(store, "prod", "node_os_patch") == {}
    assert f"s3://b/{folder}1.json is passed over: GetObject: 404" in caplog.text
