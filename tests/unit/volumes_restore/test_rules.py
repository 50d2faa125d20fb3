"""The small rules: sizes, sources, and who may be stopped."""

import math

import pytest

from tasks.clients.kube import amount_of
from tasks.nodes.policy.owners import Owner
from tasks.volumes.models.snapshots import Content, Snapshot
from tasks.volumes_restore.models.facts import Way
from tasks.volumes_restore.policy.sizes import bytes_of, larger
from tasks.volumes_restore.policy.source import source_of, what_is_missing
from tasks.volumes_restore.policy.users import unknown_user, why_it_stays
from tasks.workloads.models.names import Ref
from tests.facts.volumes import CONTENT, SNAPSHOT
from tests.facts.volumes_restore import IMPORTED, RECORD, REF


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1Gi", 2**30),
        ("1.5Ki", 1536),
        ("2k", 2000),
        ("3G", 3 * 10**9),
        ("100m", 1),
        ("7", 7),
        ("2E", 2 * 10**18),
        ("12e6", 12 * 10**6),
    ],
)
def test_a_size_of_the_api_is_read_in_bytes(text: str, size: int) -> None:
    """As the API's client reads it, rounded up."""
    assert bytes_of(text) == size == math.ceil(amount_of(text))


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "-1"])
def test_what_is_no_size_counts_as_nothing(text: str) -> None:
    """It is less than what any snapshot needs."""
    assert bytes_of(text) == 0


def test_a_claim_gets_what_the_snapshot_needs() -> None:
    """Or more, if it asks for more."""
    assert larger("1Gi", 2**30) == "1Gi"
    assert larger("1Gi", 2**31) == str(2**31)
    assert larger("", 0) == "0"


def _snapshot(**changes: object) -> Snapshot:
    return SNAPSHOT.model_copy(update=changes)


def _content(**changes: object) -> Content:
    return CONTENT.model_copy(update=changes)


def test_objects_that_agree_with_the_manifest_are_used() -> None:
    """In both directions."""
    source = source_of(RECORD, "m", SNAPSHOT, CONTENT)
    assert (source.way, source.snapshot, source.content) == (Way.OBJECTS, SNAPSHOT.name, CONTENT.name)


@pytest.mark.parametrize(
    ("snapshot", "content", "why"),
    [
        (None, CONTENT, "its VolumeSnapshot is not here: its handle is imported"),
        (SNAPSHOT, None, "its VolumeSnapshotContent is not here: its handle is imported"),
        (_snapshot(deleting=True), CONTENT, "its VolumeSnapshot is about to be deleted: its handle is imported"),
        (_snapshot(uid="s2"), CONTENT, "the uid of the VolumeSnapshot is s2, not s1: its handle is imported"),
        (
            _snapshot(content="x"),
            CONTENT,
            "the content of the VolumeSnapshot is x, not snapcontent-s1: its handle is imported",
        ),
        (SNAPSHOT, _content(snapshot_uid=""), "the uid in the content is empty, not s1: its handle is imported"),
        (
            SNAPSHOT,
            _content(handle="h", driver="d"),
            "the handle is h, not snap-1, the driver is d, not disk.example: its handle is imported",
        ),
    ],
    ids=range(7),
)
def test_objects_that_do_not_agree_are_not_used(snapshot: Snapshot | None, content: Content | None, why: str) -> None:
    """The snapshot is imported by its handle, under a name of its own."""
    source = source_of(RECORD, "m", snapshot, content)
    assert (source.way, source.snapshot, source.content) == (Way.HANDLE, "data-db-0-import-m", "kube-runbooks-m")
    assert source.why == why


def test_an_imported_snapshot_is_ready_when_both_objects_name_each_other() -> None:
    """An error is retried by the controllers, and told."""
    snapshot = _snapshot(name=IMPORTED.snapshot, content=IMPORTED.content, uid="i1")
    content = _content(name=IMPORTED.content, snapshot=f"shop/{IMPORTED.snapshot}", snapshot_uid="i1")

    def missing(snapshot: Snapshot | None = snapshot, content: Content | None = content) -> str:
        return what_is_missing(IMPORTED, RECORD, snapshot, content)

    assert missing() == ""
    assert missing(None) == missing(content=None) == "one of its two objects does not exist"
    failed = content.model_copy(update={"error": "gone"})
    assert missing(content=failed) == "the last error, which is retried: gone"
    other = content.model_copy(update={"snapshot_uid": "x"})
    assert missing(content=other) == "its two objects do not name each other yet"
    assert missing(content=content.model_copy(update={"handle": ""})) == "its handle is empty, not snap-1"
    assert missing(snapshot.model_copy(update={"is_ready": False})) == "it is not ready to use yet"


def test_a_workload_may_be_stopped_unless_somebody_would_start_it_or_its_claims_would_go() -> None:
    """Each reason has a next step."""
    assert why_it_stays(REF, None, "", "Retain") is None
    daemon = Ref.of("shop", "daemonset/agent")
    found = [
        why_it_stays(REF, Owner("Flux", "commit it"), "", ""),
        why_it_stays(daemon, None, "", ""),
        why_it_stays(REF, None, "db", ""),
        why_it_stays(REF, None, "", "Delete"),
        unknown_user("Job seed", "shop", "seed-1"),
    ]
    assert [str(one) for one in found] == [
        "Flux owns it, and may start it again while its volume is switched",
        "a DaemonSet cannot be scaled to 0",
        "the HorizontalPodAutoscaler db sets its replicas",
        "its persistentVolumeClaimRetentionPolicy.whenScaled is Delete: its claims go when it is scaled to 0",
        "Job seed is nothing that this runbook can stop and start again",
    ]
    assert all(one and one.next_step for one in found)
