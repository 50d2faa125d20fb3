"""Which backups stay although no rule keeps them."""

from collections.abc import Iterator

from tasks.core.models.retention import Kept, Removed
from tasks.volumes.models.backups import VolumeBackup
from tasks.volumes.policy.expiry import last_of, protected
from tests.facts.volumes import archive, backup, record


def _named(name: str, *claims: str) -> VolumeBackup:
    return backup(id=name, records=tuple(record(claim=one) for one in claims), archives=(archive(),))


def test_the_newest_backup_with_a_claim_that_was_left_out_stays() -> None:
    """One for each claim, and older backups are not read."""

    def newest_first() -> Iterator[VolumeBackup]:
        yield _named("four", "other")
        yield _named("three", "a", "other")
        yield _named("two", "a", "b")
        raise AssertionError

    reason = "the newest backup with {}, which this backup had to leave out"
    assert last_of({"shop/a", "shop/b", "shop/logs"}, newest_first()) == {
        "four": reason.format("shop/logs"),
        "three": reason.format("shop/a"),
        "two": reason.format("shop/b"),
    }
    assert last_of({"shop/never"}, [_named("one", "a")]) == {}
    assert last_of((), newest_first()) == {}


def test_what_stays_for_a_reason_is_not_removed() -> None:
    """A reason for what is kept anyway changes nothing."""
    kept, removed = (
        (Kept(id="new", reasons=("one of the last 1",)),),
        [Removed(id=one, reason="") for one in ("old", "older")],
    )
    assert protected(kept, removed, {"old": "why", "new": "x"}) == (
        (*kept, Kept(id="old", reasons=("why",))),
        (Removed(id="older", reason=""),),
    )
