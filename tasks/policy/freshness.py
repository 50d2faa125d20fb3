"""Which backup is meant by a name, and whether the newest one is young enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.errors import Refused
from tasks.models.backups import BackupId

SHOWN = 5
"""Ids that an error lists; the newest are what people look for."""


def pick_backup(known: Sequence[BackupId], asked: str) -> BackupId:
    """The backup that `asked` names, or the newest for `latest`; `Refused` when there is none."""
    newest_first = sorted(known, key=str, reverse=True)
    if not newest_first:
        raise Refused("the bucket has no backup of this cluster", hint="run etcd_backup_to_s3, or check store.prefix")
    if asked == "latest":
        return newest_first[0]
    for backup in newest_first:
        if str(backup) == asked:
            return backup
    shown = ", ".join(str(backup) for backup in newest_first[:SHOWN])
    raise Refused(
        f"backup {asked!r} does not exist",
        hint=f"use latest, or one of the {len(known)} there are; the newest: {shown}",
    )


def what_is_too_old(newest: datetime, *, now: datetime, rpo: timedelta) -> str:
    """Why the newest good backup breaks the recovery point objective; empty when it does not."""
    age = now - newest
    if age <= rpo:
        return ""
    return f"the newest good backup is {age} old (taken {newest:%Y-%m-%dT%H:%M:%SZ}); the profile's backup.rpo is {rpo}"
