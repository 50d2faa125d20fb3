"""Makes a patch from what a pod template violates, as far as the values are known from here."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tasks.pod_security.models import Violation

JSON = dict[str, Any]

PART = re.compile(r"([A-Za-z]+)(?:\[([^\]]+)\])?\.?")
"""Matches a part of a path: a field, or an entry of a list by its name, or of a map by its key."""

MAPS = frozenset({"annotations"})


def fix_of(violations: Sequence[Violation]) -> JSON:
    """Returns a strategic merge patch of the template; it is empty if nothing can be fixed from here.

    A container that may run as root is told not to: whether its image can do that shows a rollout.
    """
    patch: JSON = {}
    for one in violations:
        if one.fix:
            _write(patch, list(_parts(one.path)), json.loads(one.fix))
    return patch


def left_over(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """Returns the violations that the patch leaves: people must decide about them."""
    return tuple(one for one in violations if not one.fix)


def _parts(path: str) -> Iterator[tuple[str, str]]:
    for found in PART.finditer(path):
        yield found[1], found[2] or ""


def _write(patch: JSON, parts: list[tuple[str, str]], value: object) -> None:
    (name, key), *rest = parts
    if not rest and not key:
        patch[name] = value
    elif not key:
        _write(patch.setdefault(name, {}), rest, value)
    elif name in MAPS:
        patch.setdefault(name, {})[key] = value
    else:
        entries: list[JSON] = patch.setdefault(name, [])
        entry = next((one for one in entries if one["name"] == key), None)
        if entry is None:
            entries.append(entry := {"name": key})
        _write(entry, rest, value)
