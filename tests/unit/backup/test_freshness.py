"""Backups by name, and the recovery point objective."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.backup.models.backups import Backup, BackupId, Digest, ReadBack, Snapshot
from tasks.backup.policy.freshness import (
    CLOCK_TOLERANCE,
    counted_of,
    pick_backup,
    split_by_clock,
    what_is_not_of_this_run,
    what_is_too_old,
    young_enough,
)
from tasks.core.errors import Refused
from tasks.core.models.etcd import KeySpaceHash
from tasks.core.models.profile import Route

SECOND = timedelta(seconds=1)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = BackupId(taken_at=NOON - timedelta(days=1), revision=9, run="00000000")
NEW = BackupId(taken_at=NOON, revision=10, run="ffffffff")


def test_latest_is_the_newest_and_an_id_is_itself() -> None:
    """Whatever the order of the listing."""
    assert pick_backup([NEW, OLD], "latest", now=NOON) == pick_backup([OLD, NEW], "latest", now=NOON) == NEW
    assert pick_backup([OLD, NEW], "20261122T120000Z-9-00000000", now=NOON) == OLD


@pytest.mark.parametrize(("ahead", "latest"), [(CLOCK_TOLERANCE, NEW), (CLOCK_TOLERANCE + SECOND, OLD)])
def test_a_backup_from_the_future_is_never_the_latest(ahead: timedelta, latest: BackupId) -> None:
    """Nobody knows how old it is. Clocks of workers may differ by some minutes; by its id it can still be had."""
    now = NEW.taken_at - ahead
    assert pick_backup([OLD, NEW], "latest", now=now) == latest
    assert young_enough([OLD, NEW], now=now, younger_than=timedelta(days=1)) == latest
    assert pick_backup([OLD, NEW], str(NEW), now=now) == NEW
    counted, future = split_by_clock([OLD, NEW], now=now)
    assert counted == counted_of([OLD, NEW], now=now) == ([NEW, OLD] if latest is NEW else [OLD])
    assert [skip.subject for skip in future] == ([] if latest is NEW else [f"backup {NEW}"])
    told = "its time 2026-11-23T12:00:00Z is 5 min 1 s in the future: a worker's clock is or was wrong"
    assert [skip.reason for skip in future] == ([] if latest is NEW else [told])


def test_where_all_backups_are_from_the_future_none_is_the_latest() -> None:
    """Each is named, the first few."""
    known = [NEW.model_copy(update={"revision": number}) for number in range(10, 17)]
    with pytest.raises(Refused, match="every backup of this cluster is from the future") as refused:
        pick_backup(known, "latest", now=OLD.taken_at)
    assert refused.value.problem.count("its time 2026-11-23T12:00:00Z is 24 h in the future") == 5
    assert refused.value.problem.endswith("; and 2 more")
    assert "correct the clocks" in refused.value.hint
    assert young_enough(known, now=OLD.taken_at, younger_than=timedelta(days=1)) is None
    assert counted_of(known, now=OLD.taken_at) == known[::-1], "where something has to be shown, all of them are"


def test_a_backup_is_young_enough_up_to_its_age() -> None:
    """The newest one alone is asked."""
    assert young_enough([], now=NOON, younger_than=timedelta(days=9)) is None
    assert young_enough([OLD, NEW], now=NOON + timedelta(hours=1), younger_than=timedelta(hours=1)) == NEW
    assert young_enough([OLD, NEW], now=NOON + timedelta(hours=2), younger_than=timedelta(hours=1)) is None


def backup_by(run: str, taken_at: datetime) -> Backup:
    """The manifest of a backup of a run."""
    digest = Digest(size=1, sha256="")
    backup_id = NEW.model_copy(update={"taken_at": taken_at})
    snapshot = Snapshot(
        backup_id=backup_id,
        key="k",
        cluster_id="c",
        member="m1",
        member_id="1",
        route=Route.DIRECT,
        etcd_version="3.6.16",
        storage_version="3.6.0",
        revision=10,
        newest_revision=10,
        key_count=1,
        live_hash=KeySpaceHash(hash=1, revision=10, compact_revision=0),
        plain=digest,
        stored=digest,
        taken_at=taken_at,
        took=SECOND,
    )
    proof = ReadBack(stored=digest, plain=digest, took=SECOND)
    return Backup(
        id=str(backup_id), cluster="c", snapshot=snapshot, read_back=proof, tool="", flow_run=run, written_at=taken_at
    )


@pytest.mark.parametrize(
    ("run", "attempt", "taken", "told"),
    [
        ("run-1", 1, timedelta(0), ""),
        ("run-1", 1, -CLOCK_TOLERANCE, ""),
        (
            "run-1",
            1,
            -CLOCK_TOLERANCE - SECOND,
            "was taken at 2026-11-23T11:54:59Z, before this run began at 2026-11-23T12:00:00Z",
        ),
        ("run-1", 2, -timedelta(hours=1), ""),
        ("run-2", 1, SECOND, "was made by flow run run-2, and this is flow run run-1"),
        ("run-2", 2, -SECOND, "was made by flow run run-2, and this is flow run run-1"),
    ],
)
def test_a_backup_is_of_the_run_that_its_manifest_names(run: str, attempt: int, taken: timedelta, told: str) -> None:
    """The first attempt took it after it began; a later one may find an earlier one's."""
    backup = backup_by(run, NOON + taken)
    wrong = what_is_not_of_this_run(
        backup, run_id="run-1", attempt=attempt, began=NOON + timedelta(microseconds=900_000)
    )
    assert str(wrong or "").endswith(told)
    assert bool(wrong) == bool(told)


def test_an_id_that_does_not_exist_shows_the_newest_that_do() -> None:
    """So that the right one can be copied."""
    with pytest.raises(Refused, match="backup 'nope' does not exist.*of the 2 there are.*20261123T120000Z-10-ffffffff"):
        pick_backup([OLD, NEW], "nope", now=NOON)


def test_no_backup_at_all_is_refused_with_the_next_step() -> None:
    """An empty bucket, or the wrong prefix."""
    with pytest.raises(
        Refused, match="no backup of this cluster -> run `kube-runbooks run etcd-backup CLUSTER`, or check store.prefix"
    ):
        pick_backup([], "latest", now=NOON)


@pytest.mark.parametrize(
    ("age", "told"), [(26, ""), (27, "27 h old (taken 2026-11-22T09:00:00Z); the profile's backup.rpo is 26 h")]
)
def test_the_objective_itself_is_young_enough(age: int, told: str) -> None:
    """Older is told with the age, the time and the rule."""
    sentence = what_is_too_old(NOON - timedelta(hours=age), now=NOON, rpo=timedelta(hours=26))
    assert told in str(sentence)
    assert bool(sentence) == bool(told)


def test_what_is_not_counted_is_named_beside_what_is_too_old() -> None:
    """A backup from the future would have met the objective for ever."""
    _, future = split_by_clock([OLD, NEW], now=OLD.taken_at)
    sentence = what_is_too_old(OLD.taken_at, now=NOON, rpo=SECOND, not_counted=future)
    assert f"; not counted: backup {NEW}: its time 2026-11-23T12:00:00Z is 24 h in the future" in str(sentence)


def test_an_id_survives_its_text_form_and_other_text_is_none() -> None:
    """Object keys are all that a listing gives."""
    assert BackupId.parse(str(NEW)) == NEW
    for text in ("", "20261323T120000Z-1-00000000", "20261123T120000Z-1", "20261123T120000Z-1-00000000x", "x"):
        assert BackupId.parse(text) is None
