"""Decides which backup a name means, and whether the newest one is recent enough.

It also decides whether a backup is of the run that reports it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from tasks.backup.models.backups import Backup, BackupId
from tasks.core.errors import Refused
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Skip
from tasks.core.words import duration_in_words

SHOWN = 5
"""Limits how many ids an error lists; the newest are what people search for."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Limits how far the clocks of two workers may differ.

A backup whose time is further in the future has a wrong time, so nobody knows how old it is. It is never the latest,
and proves nothing about the recovery point objective.
"""


class Dated(Protocol):
    """This is what the ids of all kinds of backups have. As texts they sort by time."""

    @property
    def taken_at(self) -> datetime:
        """Returns when the backup was taken."""


Id = TypeVar("Id", bound=Dated)


def split_by_clock(known: Sequence[Id], *, now: datetime) -> tuple[list[Id], tuple[Skip, ...]]:
    """Returns the backups whose time can be true, newest first, and those from the future, each with the reason."""
    newest_first = sorted(known, key=str, reverse=True)
    counted = [backup for backup in newest_first if backup.taken_at - now <= CLOCK_TOLERANCE]
    return counted, tuple(
        Skip(subject=f"backup {backup}", reason=_from_the_future(backup.taken_at, now))
        for backup in newest_first
        if backup not in counted
    )


def counted_of(known: Sequence[Id], *, now: datetime) -> list[Id]:
    """Returns the backups whose time can be true, newest first; all of them if there is no other."""
    counted, _ = split_by_clock(known, now=now)
    return counted or sorted(known, key=str, reverse=True)


def _from_the_future(taken_at: datetime, now: datetime) -> str:
    return f"its time {taken_at:%Y-%m-%dT%H:%M:%SZ} is {duration_in_words(taken_at - now)} in the future: a worker's clock is or was wrong"


def pick_backup(known: Sequence[BackupId], asked: str, *, now: datetime) -> BackupId:
    """Returns the backup that `asked` names, or the newest for `latest`; `Refused` when there is none.

    A backup from the future is never the latest, but its id still selects it.
    """
    if not known:
        raise Refused(
            "the bucket has no backup of this cluster",
            hint="run `kube-runbooks run etcd-backup CLUSTER`, or check store.prefix",
        )
    if asked == "latest":
        return _latest(known, now)
    for backup in known:
        if str(backup) == asked:
            return backup
    newest_first = sorted(known, key=str, reverse=True)
    shown = ", ".join(str(backup) for backup in newest_first[:SHOWN])
    raise Refused(
        f"backup {asked!r} does not exist",
        hint=f"use latest, or one of the {len(known)} there are; the newest: {shown}",
    )


def _latest(known: Sequence[BackupId], now: datetime) -> BackupId:
    counted, future = split_by_clock(known, now=now)
    if not counted:
        raise Refused(
            f"every backup of this cluster is from the future: {_named(future)}",
            hint="correct the clocks of the workers, then run `kube-runbooks run etcd-backup CLUSTER`; one of these can be named by its id",
        )
    return counted[0]


def young_enough(known: Sequence[BackupId], *, now: datetime, younger_than: timedelta) -> BackupId | None:
    """Returns the newest backup whose time can be true, if it is not older than `younger_than`; else None."""
    counted, _ = split_by_clock(known, now=now)
    return counted[0] if counted and now - counted[0].taken_at <= younger_than else None


def what_is_too_old(
    newest: datetime, *, now: datetime, rpo: timedelta, not_counted: Sequence[Skip] = ()
) -> Problem | None:
    """Returns why the newest good backup breaks the recovery point objective; None if it does not."""
    age = now - newest
    if age <= rpo:
        return None
    told = f"the newest good backup is {duration_in_words(age)} old (taken {newest:%Y-%m-%dT%H:%M:%SZ}); the profile's backup.rpo is {duration_in_words(rpo)}"
    return Problem(text=f"{told}; not counted: {_named(not_counted)}" if not_counted else told)


def _named(skips: Sequence[Skip]) -> str:
    shown = [f"{skip.subject}: {skip.reason}" for skip in skips[:SHOWN]]
    more = f"; and {len(skips) - SHOWN} more" if len(skips) > SHOWN else ""
    return "; ".join(shown) + more


def what_is_not_of_this_run(backup: Backup, *, run_id: str, attempt: int, began: datetime) -> Problem | None:
    """Returns why a backup cannot be the work of this run; None if it can.

    The first attempt of a run has nothing to find. Its backup was taken after it began, by the same worker's clock,
    which may have been set back in the meantime. A later attempt may report what an earlier one made, perhaps by
    another worker's clock.
    """
    if backup.flow_run != run_id:
        return Problem(text=f"backup {backup.id} was made by flow run {backup.flow_run}, and this is flow run {run_id}")
    if attempt == 1 and backup.snapshot.taken_at < began.replace(microsecond=0) - CLOCK_TOLERANCE:
        return Problem(
            text=f"backup {backup.id} was taken at {backup.snapshot.taken_at:%Y-%m-%dT%H:%M:%SZ}, "
            f"before this run began at {began:%Y-%m-%dT%H:%M:%SZ}"
        )
    return None
