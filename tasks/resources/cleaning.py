"""Removes backups that no rule keeps, packs that no backup uses, and what interrupted runs left."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from tasks.backup.manifests import MANIFEST
from tasks.backup.models.backups import BackupId
from tasks.backup.policy.freshness import counted_of
from tasks.backup.policy.retention import decide_retention
from tasks.cluster import Cluster
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.plan import Skip
from tasks.core.models.retention import Kept, Removed, Retention, RetentionDecision, StoredBackup
from tasks.resources.models import Cleaned
from tasks.resources.policy.packs import broken_backups, unused_packs
from tasks.resources.store import PACKS, UNUSED, ResourceStore, resources_of


def clean(handle: Cluster, rules: Retention | None) -> Cleaned:
    """Applies retention, then removes packs and leftovers.

    The store may refuse to delete an object, for example under Object Lock. It is then left, and the result says why.
    """
    store, profile, now = resources_of(handle), handle.profile, datetime.now(UTC)
    retention = _retain(store, rules or profile.resources.retention, profile.backup.time_zone, now)
    grace = profile.backup.stale_upload_age
    packs, marked, left, broken = _sweep(store, now, grace)
    leftovers, more = _sweep_leftovers(store, now, grace)
    for skip in broken:
        log_about(store.cluster).error("backup %s is not whole: %s", skip.subject, skip.reason)
    for skip in (*left, *more):
        log_about(store.cluster).warning("left in the store: %s: %s", skip.subject, skip.reason)
    return Cleaned(
        retention=retention, packs=packs, marked=marked, leftovers=leftovers, left=(*left, *more), broken=broken
    )


def _retain(store: ResourceStore, rules: Retention, time_zone: str, now: datetime) -> RetentionDecision:
    known = store.known()
    stored = [StoredBackup(id=str(one), taken_at=one.taken_at, verified=True) for one in known]
    complete = _newest_complete(store, counted_of(known, now=now))

    def decide(backups: Sequence[StoredBackup]) -> RetentionDecision:
        found = decide_retention(backups, rules, now=now, time_zone=time_zone)
        kept = [Kept(id=one.id, reasons=("the newest complete one",)) for one in found.removed if one.id == complete]
        removed = tuple(one for one in found.removed if one.id != complete)
        return RetentionDecision(kept=(*found.kept, *kept), removed=removed)

    going = {one.id for one in decide(stored).removed}
    decision = decide([_with_lock(store, one) if one.id in going else one for one in stored])
    stayed = tuple(kept for one in decision.removed if (kept := _remove(store, one)))
    names = {one.id for one in stayed}
    return RetentionDecision(
        kept=tuple(sorted((*decision.kept, *stayed), key=lambda kept: kept.id, reverse=True)),
        removed=tuple(one for one in decision.removed if one.id not in names),
    )


def _newest_complete(store: ResourceStore, known: Sequence[BackupId]) -> str:
    """Returns the newest backup that misses no kind: a row of partial ones must not push it out."""
    return next((str(one) for one in known if not store.head(str(one)).is_partial), "")


def _with_lock(store: ResourceStore, stored: StoredBackup) -> StoredBackup:
    try:
        return stored.model_copy(update={"locked_until": store.locked_until(stored.id)})
    except RunbookError as error:
        return stored.model_copy(update={"lock_unknown": error.problem})


def _remove(store: ResourceStore, removed: Removed) -> Kept | None:
    log = log_about(store.cluster)
    try:
        store.remove(removed.id)
    except RunbookError as error:
        log.warning("backup %s stays: %s", removed.id, error)
        return Kept(id=removed.id, reasons=(f"the store did not delete it: {error.problem}",))
    log.info("backup %s removed: %s", removed.id, removed.reason)
    return None


def _sweep(
    store: ResourceStore, now: datetime, grace: timedelta
) -> tuple[tuple[str, ...], int, tuple[Skip, ...], tuple[Skip, ...]]:
    """Deletes packs that no manifest has named for the grace time, and marks those that none names now.

    If a manifest cannot be read, nobody knows which packs it names, so nothing is deleted.
    """
    try:
        manifests = [store.head(str(one)) for one in store.known()]
    except Refused as error:
        return (), 0, (Skip(subject=store.store.uri(f"{store.prefix}{PACKS}/"), reason=error.problem),), ()
    used = {one.name for manifest in manifests for one in manifest.packs}
    old = _marks(store)
    stored = store.packs()
    found = unused_packs(stored, used, old, now=now, grace=grace)
    if found.marks != old:
        body = json.dumps({name: mark.isoformat() for name, mark in found.marks.items()}, indent=1)
        store.store.put(store.prefix + UNUSED, body.encode(), "application/json")
    deleted, left = _deleted(store, map(store.pack_key, found.delete))
    return deleted, len(found.marks), left, broken_backups(manifests, stored)


def _marks(store: ResourceStore) -> dict[str, datetime]:
    """Returns since when packs have not been used; without the object, or if it is damaged, the grace time begins now."""
    key = store.prefix + UNUSED
    if store.store.size(key) is None:
        return {}
    try:
        told = json.loads(store.store.get(key))
        return {str(name): datetime.fromisoformat(mark) for name, mark in told.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _sweep_leftovers(store: ResourceStore, now: datetime, age: timedelta) -> tuple[tuple[str, ...], tuple[Skip, ...]]:
    """Deletes the index of a backup that never got a manifest, once no run can be writing it."""
    found = store.objects()
    complete = {one.key.rpartition("/")[0] for one in found if one.key.endswith(f"/{MANIFEST}")}
    orphans = [
        one.key
        for one in found
        if BackupId.parse(one.key.removeprefix(store.prefix).partition("/")[0])
        and one.key.rpartition("/")[0] not in complete
        and now - one.modified_at > age
    ]
    return _deleted(store, orphans)


def _deleted(store: ResourceStore, keys: Iterable[str]) -> tuple[tuple[str, ...], tuple[Skip, ...]]:
    done: list[str] = []
    left: list[Skip] = []
    for key in keys:
        try:
            _delete_unlocked(store, key)
        except RunbookError as error:
            left.append(Skip(subject=key, reason=error.problem))
        else:
            done.append(key)
    return tuple(done), tuple(left)


def _delete_unlocked(store: ResourceStore, key: str) -> None:
    """Deletes an object unless it is locked: in a versioned bucket the store would hide it behind a delete marker."""
    until = store.store.locked_until(key)
    if until and until > datetime.now(UTC):
        raise Refused(f"it is locked until {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    store.store.delete(key)
