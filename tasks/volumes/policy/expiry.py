"""Decides which backups stay although no rule keeps them: the one of this run, and the newest with what it had to leave out."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tasks.core.models.findings import listed
from tasks.core.models.retention import Kept, Removed
from tasks.volumes.models.backups import VolumeBackup


def last_of(claims: Collection[str], newest_first: Iterable[VolumeBackup]) -> dict[str, str]:
    """Returns the newest backup that has each of the claims, with the reason to keep it. It reads no more backups than it needs."""
    left, found = set(claims), dict[str, str]()
    if not left:
        return found
    for one in newest_first:
        mine = sorted(
            left & {*(f"{each.namespace}/{each.claim}" for each in one.records), *(each.id for each in one.archives)}
        )
        if mine:
            found[one.id] = f"the newest backup with {listed(mine)}, which this backup had to leave out"
        left.difference_update(mine)
        if not left:
            break
    return found


def protected(
    kept: Sequence[Kept], removed: Sequence[Removed], reasons: Mapping[str, str]
) -> tuple[tuple[Kept, ...], tuple[Removed, ...]]:
    """Returns what is kept and removed if these backups stay for these reasons, too."""
    more = [Kept(id=one.id, reasons=(reasons[one.id],)) for one in removed if one.id in reasons]
    return (*kept, *more), tuple(one for one in removed if one.id not in reasons)
