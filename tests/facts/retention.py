"""Backups as a store lists them, and what was decided of them, for tests of retention."""

from datetime import datetime

from tasks.core.models.retention import RetentionDecision, StoredBackup

COUNTED = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
"""Rules that are a number."""

NEWEST = "the newest verified backup is never removed"
FOREIGN = "not verified by us: left alone"


def at(text: str, **facts: object) -> StoredBackup:
    """A verified backup whose id is its time as written."""
    return StoredBackup.model_validate({"id": text, "taken_at": text, "verified": True, **facts})


def moment(text: str) -> datetime:
    """A time as people write it."""
    return datetime.fromisoformat(text)


def kept_ids(decision: RetentionDecision) -> list[str]:
    """What stays, newest first."""
    return [kept.id for kept in decision.kept]


def reasons(decision: RetentionDecision) -> dict[str, tuple[str, ...]]:
    """Why each backup stays or goes."""
    return {kept.id: kept.reasons for kept in decision.kept} | {gone.id: (gone.reason,) for gone in decision.removed}
