"""Decides what changed between two backups, and writes the difference of an object as people read it."""

import difflib
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasks.core.models.findings import listed
from tasks.resources.models import Change, Entry, Manifest
from tasks.resources.policy.contents import new_writers

MOST_LINES = 5000
"""Limits the length of the files that are compared line by line: more takes minutes."""

APPLIED_LINES = re.compile(
    rb"^    kubectl\.kubernetes\.io/last-applied-configuration:.*\n(?:      .*\n)*", re.MULTILINE
)
"""The annotation of `kubectl apply`, which has the whole object once more."""

SHOWN = 20
"""Limits how many changes a report lists."""

SHOWN_LINES = 40
"""Limits the lines of one difference in a report; the bucket has all of them."""


class Pair(NamedTuple):
    """This is an object in two backups; None if a backup does not have it."""

    old: Entry | None
    new: Entry | None
    any: Entry
    """The newer of the two."""


def pairs_of(older: Manifest, newer: Manifest) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Returns the objects that differ, in a stable order, and the kinds that cannot be compared.

    A kind that a backup did not read is not compared: its objects are not deleted.
    """
    unread = {skip.subject for skip in (*older.not_read, *newer.not_read)}
    before = {one.key: one for one in older.entries}
    found = [Pair(before.pop(one.key, None), one, one) for one in newer.entries]
    found += [Pair(one, None, one) for one in before.values()]
    differing = [one for one in found if _differs(one) and not is_of(one.any, unread)]
    return tuple(sorted(differing, key=lambda one: _order(one.any))), tuple(sorted(unread))


def _order(entry: Entry) -> tuple[str, ...]:
    return entry.namespace, entry.group, entry.kind, entry.name


def is_of(entry: Entry, kinds: Collection[str]) -> bool:
    """Checks whether an object is of one of these kinds, or of all kinds of its group: `*.example.com`."""
    label = f"{entry.resource}.{entry.group}" if entry.group else entry.resource
    return label in kinds or f"*.{entry.group}" in kinds


def filled(older: Manifest, earlier: Manifest) -> Manifest:
    """Returns a partial backup with the kinds that it did not read as an earlier backup has them."""
    missing = {skip.subject for skip in older.not_read} - {skip.subject for skip in earlier.not_read}
    entries = [one for one in older.entries if not is_of(one, missing)]
    entries += [one for one in earlier.entries if is_of(one, missing)]
    left = tuple(skip for skip in older.not_read if skip.subject not in missing)
    return older.model_copy(update={"entries": tuple(entries), "not_read": left})


def _differs(pair: Pair) -> bool:
    old, new, _ = pair
    if old is None or new is None or old.sha256 != new.sha256:
        return True
    return is_secret(new) and (old.uid, old.resource_version) != (new.uid, new.resource_version)


def is_secret(entry: Entry) -> bool:
    """Checks whether the object is a Secret."""
    return (entry.group, entry.kind) == ("", "Secret")


def to_change(pair: Pair, since: datetime, diff: str = "", note: str = "") -> Change:
    """Returns the difference with who wrote it. Nobody writes a deletion down in the object."""
    action = "deleted" if pair.new is None else "created" if pair.old is None else "changed"
    entry = pair.any
    by = new_writers(entry.writers, since) if pair.new else ""
    return Change(
        action=action,
        kind=entry.kind,
        group=entry.group,
        namespace=entry.namespace,
        name=entry.name,
        by=by,
        diff=diff,
        note=note,
    )


def to_diff(old: bytes, new: bytes, label: str) -> tuple[str, str]:
    """Returns the unified difference of two files, or why there is none; the annotation of `kubectl apply` is not compared."""
    before, after = (APPLIED_LINES.sub(b"", one).decode().splitlines() for one in (old, new))
    if max(len(before), len(after)) > MOST_LINES:
        return "", f"too long to compare: {len(before)} and {len(after)} lines"
    lines = difflib.unified_diff(before, after, f"a/{label}", f"b/{label}", lineterm="")
    return "".join(f"{one}\n" for one in lines), ""


def values_note(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, salt: bytes) -> str:
    """Says which values of a Secret changed, without a value: as a short digest that nobody can compare with a guess.

    None stands for a Secret that was not decrypted.
    """
    if old is None or new is None:
        return "its values may have changed: they are encrypted, and the profile has no backup.identity"
    before, after = _values(old), _values(new)
    told = [
        f"{key}: {_short(before.get(key), salt)} -> {_short(after.get(key), salt)}"
        for key in sorted(before | after)
        if before.get(key) != after.get(key)
    ]
    return f"values changed: {listed(told)}" if told else "its values are the same"


def _values(hidden: Mapping[str, Any]) -> dict[str, str]:
    return {**hidden.get("data", {}), **hidden.get("stringData", {})}


def _short(value: str | None, salt: bytes) -> str:
    return "none" if value is None else hmac.digest(salt, value.encode(), hashlib.sha256).hex()[:8]


def in_words(changes: Sequence[Change]) -> tuple[str, ...]:
    """Returns a line for each change, up to a limit."""
    lines = [
        f"{one.action}: {one.label}{f', by {one.by}' if one.by else ''}{f' ({one.note})' if one.note else ''}"
        for one in changes[:SHOWN]
    ]
    more = len(changes) - SHOWN
    return (*lines, f"and {more} more changes") if more > 0 else tuple(lines)


def to_text(changes: Iterable[Change], most: int = 0) -> str:
    """Returns all differences as one text, each below the name of its object; `most` limits the lines of each."""
    parts = []
    for one in changes:
        lines = one.diff.splitlines()
        cut = [*lines[:most], f"... {len(lines) - most} more lines"] if most and len(lines) > most else lines
        by = f", by {one.by}" if one.by else ""
        note = f" ({one.note})" if one.note else ""
        parts.append("\n".join([f"# {one.action}: {one.label}{by}{note}", *cut]))
    return "\n".join([*parts, ""])
