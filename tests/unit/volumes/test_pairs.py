"""The two objects of a snapshot, and what interrupted runs left."""

from datetime import timedelta

from tasks.volumes.models.snapshots import Pair
from tasks.volumes.policy.pairs import leftovers, pairs_of
from tests.facts.volumes import CONTENT, NOW, PAIR, RUN, SNAPSHOT, pair

DAY = timedelta(days=1)


def left(*pairs: Pair, finished: tuple[str, ...] = (), own: str = "other", age: timedelta = DAY) -> tuple[Pair, ...]:
    """Two days later."""
    return leftovers(pairs, finished, own=own, now=NOW + 2 * DAY, age=age)


def test_a_snapshot_has_the_content_that_was_made_for_it() -> None:
    """Of another uid it is another one's; one of ours that has lost its snapshot stands alone, one of others is not ours."""
    theirs = CONTENT.model_copy(update={"name": "theirs", "run": "", "snapshot_uid": "s9"})
    lost = theirs.model_copy(update={"name": "lost", "run": RUN})
    assert pairs_of([SNAPSHOT], [theirs, CONTENT, lost]) == (PAIR, Pair(content=lost))
    bare = SNAPSHOT.model_copy(update={"content": ""})
    assert pairs_of([bare], [theirs]) == (Pair(snapshot=bare),)
    named = SNAPSHOT.model_copy(update={"content": "theirs"})
    assert pairs_of([named], [theirs]) == (Pair(snapshot=named, content=theirs),)


def test_only_what_belongs_to_no_backup_and_is_old_is_left_over() -> None:
    """A run in progress is younger; what is marked stays although its manifest is not in this bucket."""
    alone = Pair(content=CONTENT)
    assert left(PAIR, alone) == (PAIR, alone)
    assert left(PAIR, finished=(RUN,)) == ()
    assert left(PAIR, own=RUN) == ()
    assert left(PAIR, age=3 * DAY) == ()
    assert left(pair({"backup": "x"}), pair(content={"backup": "x"})) == ()
    assert left(pair({"run": ""}, {"run": ""})) == ()


def test_a_pair_has_a_name_for_people() -> None:
    """Of what is there."""
    assert PAIR.id == "VolumeSnapshot shop/data-db-0-0a1b2c3d4e5f"
    assert Pair(content=CONTENT).id == "VolumeSnapshotContent snapcontent-s1"
    assert (Pair().id, Pair().run, Pair().backup) == ("nothing", "", "")
