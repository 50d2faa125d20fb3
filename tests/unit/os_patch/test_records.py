"""What is kept of each node, and what the next run reads of it."""

from datetime import timedelta
from typing import cast

from tasks.clients.objectstore import ObjectStore
from tasks.os_patch.models.facts import Earlier
from tasks.os_patch.models.outcome import NodePatched
from tasks.os_patch.records import keep_record, read_records
from tests.facts.buckets import Bucket
from tests.facts.upgrade import NOW


def test_the_newest_record_of_a_node_says_how_long_it_takes() -> None:
    """Each run has one, also when it is kept twice. What went on with another run's work says nothing of the time of a node."""
    store = cast("ObjectStore", Bucket())
    for day, seconds, whole in ((1, 100, True), (2, 50, True), (2, 60, True), (3, 5, False)):
        at, took = NOW + timedelta(days=day), timedelta(seconds=seconds)
        record = NodePatched(node="w1", run_id=f"{day}a1b2c3d-1", at=at, whole=whole, took=took)
        place = keep_record(store, "prod", record)
    assert place == "s3://b/prod/nodes/w1/os-patch/20261127T120000Z-3a1b2c3d-1.json"
    found = read_records(store, "prod", ["w1", "w2"])
    assert found == {"w1": Earlier(took=timedelta(seconds=60), rebooted=False)}
    (last,) = (body for key, body in cast("Bucket", store).kept.items() if "20261127" in key)
    assert NodePatched.model_validate_json(last).record == place
