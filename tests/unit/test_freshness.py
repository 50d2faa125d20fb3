"""Backups by name, and the recovery point objective."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.errors import Refused
from tasks.models.backups import BackupId
from tasks.policy.freshness import pick_backup, what_is_too_old

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = BackupId(taken_at=NOON - timedelta(days=1), revision=9, run="00000000")
NEW = BackupId(taken_at=NOON, revision=10, run="ffffffff")


def test_latest_is_the_newest_and_an_id_is_itself() -> None:
    """Whatever the order of the listing."""
    assert pick_backup([NEW, OLD], "latest") == pick_backup([OLD, NEW], "latest") == NEW
    assert pick_backup([OLD, NEW], "20261122T120000Z-9-00000000") == OLD


def test_an_id_that_does_not_exist_shows_the_newest_that_do() -> None:
    """So that the right one can be copied."""
    with pytest.raises(Refused, match="backup 'nope' does not exist.*of the 2 there are.*20261123T120000Z-10-ffffffff"):
        pick_backup([OLD, NEW], "nope")


def test_no_backup_at_all_is_refused_with_the_next_step() -> None:
    """An empty bucket, or the wrong prefix."""
    with pytest.raises(Refused, match="no backup of this cluster -> run etcd_backup_to_s3, or check store.prefix"):
        pick_backup([], "latest")


@pytest.mark.parametrize(("age", "told"), [(26, ""), (27, "1 day, 3:00:00 old")])
def test_the_objective_itself_is_young_enough(age: int, told: str) -> None:
    """Older is told with the age, the time and the rule."""
    sentence = what_is_too_old(NOON - timedelta(hours=age), now=NOON, rpo=timedelta(hours=26))
    assert told in sentence
    assert bool(sentence) == bool(told)


def test_an_id_survives_its_text_form_and_other_text_is_none() -> None:
    """Object keys are all that a listing gives."""
    assert BackupId.parse(str(NEW)) == NEW
    for text in ("", "20261323T120000Z-1-00000000", "20261123T120000Z-1", "20261123T120000Z-1-00000000x", "x"):
        assert BackupId.parse(text) is None
