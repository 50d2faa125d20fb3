"""Whether a snapshot is cut, ready, and the one that was asked for; what waits, and what never passes."""

from datetime import timedelta

import pytest

from tasks.core.models.findings import Problem
from tasks.volumes.models.facts import Claim
from tasks.volumes.models.snapshots import Pair
from tasks.volumes.policy.readiness import (
    UNSEEN_FOR,
    Waits,
    doubts_claim,
    judge,
    what_is_misbound,
    what_is_wrong_with_claim,
)
from tasks.volumes.policy.records import record_of
from tests.facts.volumes import CLAIM, CONTENT, PAIR, SNAPSHOT, TARGET, claim, pair, record

SOON, LATE = timedelta(0), UNSEEN_FOR
NO_CONTENT = Pair(snapshot=SNAPSHOT.model_copy(update={"content": "", "is_seen": False}))


@pytest.mark.parametrize(
    ("found", "waited", "text"),
    [
        (NO_CONTENT, SOON, "it has no VolumeSnapshotContent yet"),
        (Pair(snapshot=SNAPSHOT), LATE, "it has no VolumeSnapshotContent yet"),
        (
            Pair(snapshot=SNAPSHOT.model_copy(update={"error": "quota"})),
            LATE,
            "it has no VolumeSnapshotContent yet; the last error, which is retried: quota",
        ),
        (pair(content={"handle": "", "is_seen": False}), SOON, "the storage has not cut it yet"),
        (
            pair(content={"cut_at": None, "error": "busy"}),
            LATE,
            "the storage has not cut it yet; the last error, which is retried: busy",
        ),
        (
            pair({"error": "a wording that nobody knows"}, {"handle": "", "cut_at": None}),
            LATE,
            "the storage has not cut it yet; the last error, which is retried: a wording that nobody knows",
        ),
        (pair({"is_ready": False}), SOON, "it is cut, and not ready to use yet"),
        (pair(content={"is_ready": False}), SOON, "it is cut, and not ready to use yet"),
        (pair({"content": ""}), SOON, "it is cut, and not ready to use yet"),
    ],
)
def test_what_may_still_come_is_waited_for(found: Pair, waited: timedelta, text: str) -> None:
    """The last error is shown: the controllers retry it."""
    verdict = judge(TARGET, found, waited=waited, ready=True)
    assert isinstance(verdict, Waits)
    assert verdict.text == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Pair(), "its VolumeSnapshot is deleted"),
        (pair({"deleting": True}), "its VolumeSnapshot is deleted, or about to be"),
        (NO_CONTENT, "no snapshot-controller has processed shop/data-db-0-0a1b2c3d4e5f"),
        (
            pair(content={"is_seen": False, "handle": ""}),
            "no csi-snapshotter of disk.example has processed snapcontent-s1",
        ),
        (pair(content={"snapshot_uid": "s2"}), "uid of the snapshot is 's2', not 's1'"),
        (pair(content={"volume": "vol-2"}), "volume is 'vol-2', not 'vol-1'"),
        (pair({"content": "theirs"}), "content is 'theirs', not 'snapcontent-s1'"),
    ],
)
def test_what_never_passes_ends_the_wait_at_once(found: Pair, text: str) -> None:
    """With a next step."""
    verdict = judge(TARGET, found, waited=LATE, ready=False)
    assert isinstance(verdict, Problem)
    assert not isinstance(verdict, Waits)
    assert text in verdict.text
    assert verdict.next_step


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (CLAIM, ""),
        (claim(deleting=True), ""),
        (None, "the claim shop/data-db-0 does not exist any more"),
        (claim(uid="u2"), "another claim has the name shop/data-db-0 now"),
        (claim(phase="Lost"), "the claim shop/data-db-0 is Lost, and was bound to the volume pv-1"),
        (claim(phase="", volume=""), "the claim shop/data-db-0 is not bound, and was bound to the volume pv-1"),
        (claim(volume="pv-2"), "the claim shop/data-db-0 is Bound, and was bound to the volume pv-1"),
    ],
    ids=["as planned", "held by a finalizer", "gone", "another", "lost", "unbound", "rebound"],
)
def test_whether_an_error_can_pass_is_seen_in_the_claim(now: Claim | None, text: str) -> None:
    """In its fields: the words of an error are those of other programs."""
    wrong = what_is_wrong_with_claim(TARGET, now)
    assert (wrong.text if wrong else "") == text
    assert wrong is None or "kubectl get pvc -n shop" in wrong.next_step


def test_a_claim_is_looked_at_only_for_an_error_before_the_cut() -> None:
    """Afterwards the snapshot needs no claim."""
    assert not doubts_claim(PAIR)
    assert not doubts_claim(NO_CONTENT)
    assert doubts_claim(Pair(snapshot=SNAPSHOT.model_copy(update={"error": "busy"})))
    assert doubts_claim(pair(content={"error": "busy", "handle": ""}))
    assert not doubts_claim(pair({"error": "busy"}))


def test_a_cut_snapshot_is_enough_until_it_has_to_be_ready() -> None:
    """A storage may copy it for hours."""
    assert judge(TARGET, PAIR, waited=SOON, ready=True) is None
    assert judge(TARGET, pair({"is_ready": False}, {"is_ready": False}), waited=SOON, ready=False) is None


@pytest.mark.parametrize("found", [Pair(), Pair(snapshot=SNAPSHOT), Pair(content=CONTENT)])
def test_half_a_snapshot_is_none_and_has_no_record(found: Pair) -> None:
    """Both objects are needed."""
    wrong = what_is_misbound(TARGET, found)
    assert wrong
    assert "does not exist" in wrong.text
    assert record_of(TARGET, found) is None


def test_the_record_has_what_another_cluster_needs() -> None:
    """The policy is that of the class; one that was not noted is the class's of now."""
    assert record_of(TARGET, PAIR) == record()
    assert record_of(TARGET, pair(content={"class_policy": ""})) == record()
    assert record_of(TARGET, pair(content={"cut_at": None})) is None
    block = TARGET.model_copy(update={"claim": TARGET.claim.model_copy(update={"block": True})})
    assert record_of(block, PAIR) == record(mode="Block")
