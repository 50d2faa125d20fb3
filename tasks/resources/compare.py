"""Compares two backups object by object, and reads the files of those that differ."""

import secrets
from collections.abc import Sequence
from typing import Any

from tasks.cluster import Cluster
from tasks.core.errors import RunbookError
from tasks.core.logs import log_about
from tasks.core.secrets import resolve_secret
from tasks.resources.models import Change, Comparison, Entry, Manifest
from tasks.resources.policy.changes import Pair, is_secret, pairs_of, to_change, to_diff, values_note
from tasks.resources.store import ResourceStore

MOST = 2000
"""Limits how many differences are written line by line; all others are listed without their lines."""


def compare(handle: Cluster, older: Manifest, newer: Manifest, *, most: int = MOST) -> Comparison:
    """Returns what changed from one backup to another, with the difference of each object.

    A file that cannot be read is no reason to have no report: the change is then listed with the reason.
    """
    pairs, unread = pairs_of(older, newer)
    changed = [one for one in pairs if one.old and one.new][:most]
    before, after = _files(handle, older, changed, new=False), _files(handle, newer, changed, new=True)
    salt = secrets.token_bytes(32)
    hidden_before, hidden_after = _hidden(handle, older, changed, new=False), _hidden(handle, newer, changed, new=True)

    def described(pair: Pair) -> Change:
        old, new, _ = pair
        if not (old and new):
            return to_change(pair, older.taken_at)
        if old not in before or new not in after:
            return to_change(pair, older.taken_at, note="its lines were not compared")
        diff, note = to_diff(before[old], after[new], new.file)
        if is_secret(new):
            values = values_note(hidden_before.get(old), hidden_after.get(new), salt)
            note = "; ".join(one for one in (note, values) if one)
        return to_change(pair, older.taken_at, diff, note)

    changes = tuple(map(described, pairs))
    count = {action: sum(one.action == action for one in changes) for action in ("created", "deleted", "changed")}
    return Comparison(older=older.id, newer=newer.id, not_compared=unread, changes=changes, **count)


def _files(handle: Cluster, manifest: Manifest, pairs: Sequence[Pair], *, new: bool) -> dict[Entry, bytes]:
    store, wanted = ResourceStore(handle.store, manifest.cluster), [one.new if new else one.old for one in pairs]
    found: dict[Entry, bytes] = {}
    try:
        found.update(store.files(one for one in wanted if one))
    except RunbookError as error:
        log_about(manifest.cluster).warning("some differences are not written: %s", error)
    return found


def _hidden(handle: Cluster, manifest: Manifest, pairs: Sequence[Pair], *, new: bool) -> dict[Entry, dict[str, Any]]:
    reference = handle.profile.backup.identity
    wanted = [found for one in pairs if (found := one.new if new else one.old) and is_secret(found) and found.sealed]
    if reference is None or not wanted:
        return {}
    try:
        return ResourceStore(handle.store, manifest.cluster).hidden(
            wanted, resolve_secret(reference, "backup.identity")
        )
    except RunbookError as error:
        log_about(manifest.cluster).warning("values of Secrets are not compared: %s", error)
        return {}
