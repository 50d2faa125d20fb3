"""What a drain waits for, as people read it."""

from datetime import timedelta

from tasks.drain.models import DrainProgress, Waiting
from tasks.drain.progress import grouped, in_words
from tests.facts.drain import NOW


def test_one_line_for_each_reason() -> None:
    """With all that wait for it, and since when the first one does."""
    waiting = [
        Waiting(what="n/b", why="a budget", since=NOW + timedelta(seconds=1)),
        Waiting(what="n/a", why="a budget", since=NOW),
        Waiting(what="volume v", why="it is still attached", since=NOW),
    ]
    assert grouped(waiting) == (
        "n/a, n/b: a budget, waited for since 12:00:00",
        "volume v: it is still attached, waited for since 12:00:00",
    )


def test_what_is_missing_is_one_sentence() -> None:
    """With how many pods are gone."""
    waiting = (Waiting(what="n/a", why="a budget", since=NOW),)
    progress = DrainProgress(node="w1", gone=1, of=2, waiting=waiting, until=NOW)
    assert in_words(progress) == "1 of 2 pods gone; n/a: a budget, waited for since 12:00:00"
