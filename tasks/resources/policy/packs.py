"""Decides which packs nobody needs any more."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from tasks.core.models.findings import listed
from tasks.core.models.plan import Skip
from tasks.core.words import counted
from tasks.resources.models import Manifest


class Unused(NamedTuple):
    """Tells which packs to delete, and since when each of the others has not been used."""

    delete: tuple[str, ...]
    marks: dict[str, datetime]


def broken_backups(manifests: Iterable[Manifest], stored: Mapping[str, int]) -> tuple[Skip, ...]:
    """Returns the backups whose packs the store does not have in their size, each with the first of them."""
    found = []
    for one in manifests:
        if lost := [pack for pack in one.packs if stored.get(pack.name) != pack.size]:
            files = sum(pack.files for pack in lost)
            reason = f"the bucket does not have {counted(len(lost), 'pack')} with up to {counted(files, 'file')} as written: {listed([pack.name for pack in lost], 1)}"
            found.append(Skip(subject=one.id, reason=reason))
    return tuple(found)


def unused_packs(
    stored: Collection[str], used: Collection[str], marks: Mapping[str, datetime], *, now: datetime, grace: timedelta
) -> Unused:
    """Marks each pack that no manifest names, and lets a pack go whose mark is older than the grace time.

    A run that is writing a backup may use a pack whose last manifest was just deleted, so a pack is never deleted at
    once. If the run finishes, its manifest names the pack, and the mark is gone. A mark from the future counts as new.
    """
    since = {name: min(marks.get(name, now), now) for name in set(stored) - set(used)}
    delete = sorted(name for name, mark in since.items() if now - mark >= grace)
    return Unused(tuple(delete), {name: since[name] for name in sorted(since) if name not in delete})
