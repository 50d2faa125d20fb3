"""Brings together the two objects of each snapshot, and finds what interrupted runs left."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from tasks.volumes.models.snapshots import Content, Pair, Snapshot


def pairs_of(snapshots: Iterable[Snapshot], contents: Sequence[Content]) -> tuple[Pair, ...]:
    """Returns each snapshot with its content, and each content of ours whose snapshot is gone."""
    found = [Pair(snapshot=one, content=_content_of(one, contents)) for one in snapshots]
    taken = {pair.content.name for pair in found if pair.content}
    alone = [Pair(content=one) for one in contents if one.run and one.name not in taken]
    return (*found, *alone)


def _content_of(snapshot: Snapshot, contents: Sequence[Content]) -> Content | None:
    """Returns the content that was made for this very snapshot, or the one that it names."""
    return next(
        (one for one in contents if one.snapshot_uid == snapshot.uid or (one.name == snapshot.content)),
        None,
    )


def leftovers(
    pairs: Iterable[Pair], finished: Collection[str], *, own: str, now: datetime, age: timedelta
) -> tuple[Pair, ...]:
    """Returns the snapshots of runs that did not finish: they belong to no backup, and are old enough.

    Args:
        pairs: all snapshots of ours
        finished: runs that have a manifest
        own: this run, whose snapshots stay
        now: the current time
        age: younger snapshots stay, because their run may still be in progress
    """
    return tuple(one for one in pairs if _is_left(one, finished, own) and now - _created(one) > age)


def _is_left(pair: Pair, finished: Collection[str], own: str) -> bool:
    return bool(pair.run) and pair.run != own and pair.run not in finished and not pair.backup


def _created(pair: Pair) -> datetime:
    return max(one.created_at for one in pair.parts)
