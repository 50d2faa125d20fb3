"""Compares two objects, and says the difference without any value of a Secret."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tasks.resources_restore.models import JSON

SERVER_FIELDS = frozenset(
    [
        "managedFields",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    ]
)
"""Lists the fields of metadata that a server sets."""

LONGEST = 60
"""Limits the characters of a value in a difference."""

MOST = 12
"""Limits the lines of a difference."""


EMPTY: tuple[Any, ...] = (None, {}, [], "")
"""Lists the values that mean that a field is not there."""


def normal(body: JSON) -> JSON:
    """Returns the object without its status and without what a server sets."""
    plain = {name: deepcopy(value) for name, value in body.items() if name != "status"}
    plain["metadata"] = {
        name: value for name, value in plain.get("metadata", {}).items() if name not in SERVER_FIELDS and value
    }
    return plain


def differences(old: JSON, new: JSON) -> tuple[str, ...]:
    """Returns what makes the second object of the first: `spec.replicas: 2 -> 3`."""
    is_secret = "Secret" in {old.get("kind"), new.get("kind")}
    found = list(_walk(normal(old), normal(new), "", is_secret=is_secret))
    more = len(found) - MOST
    return (*found[:MOST], *([f"and {more} more"] if more > 0 else []))


def _walk(old: Any, new: Any, path: str, *, is_secret: bool) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _walk(old.get(name), new.get(name), f"{path}.{name}" if path else name, is_secret=is_secret)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _walk(left, right, f"{path}[{number}]", is_secret=is_secret)
    elif old != new:
        yield f"{path}: {_change(old, new, is_secret=is_secret)}"


def _change(old: Any, new: Any, *, is_secret: bool) -> str:  # noqa: ANN401 - JSON
    if is_secret:
        return "added" if old is None else "removed" if new is None else "another value"
    return f"{_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def lacking(wanted: Any, found: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yields the fields of an object that another one does not have as they are. More fields, and more items of lists, are no matter."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in sorted(wanted.items()):
            if value not in EMPTY:
                yield from lacking(value, found.get(name), f"{path}.{name}" if path else name)
    elif isinstance(wanted, list) and isinstance(found, list):
        for number, item in enumerate(wanted):
            likely = found[number : number + 1]
            if not any(has(one, item) for one in (*likely, *found)):
                named = item.get("name") if isinstance(item, dict) else None
                yield f"{path}[{named or number}]"
    elif wanted != found:
        yield path


def has(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - JSON
    """Checks whether an object has all fields of another one as they are."""
    return next(lacking(wanted, found), None) is None


def kept_fields(result: JSON, *wanted: JSON) -> tuple[str, ...]:
    """Returns the fields, and the items of lists, that an object keeps although none of the others has them.

    It names them, and has no value.
    """
    return tuple(_more(result, list(wanted), ""))


def _more(result: Any, wanted: list[Any], path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(result, dict):
        for name, value in sorted(result.items()):
            below = f"{path}.{name}" if path else name
            found = [one[name] for one in wanted if isinstance(one, dict) and one.get(name) not in EMPTY]
            if found:
                yield from _more(value, found, below)
            elif value not in EMPTY:
                yield below
    elif isinstance(result, list):
        lists = [one for one in wanted if isinstance(one, list)]
        for number, item in enumerate(result):
            found = [match for one in lists for match in _matches(item, number, one, len(result))]
            named = item.get("name") if isinstance(item, dict) else None
            below = f"{path}[{named or number}]"
            if found:
                yield from _more(item, found, below)
            else:
                yield below


def _matches(item: Any, number: int, others: list[Any], size: int) -> list[Any]:  # noqa: ANN401 - JSON
    """Returns the item of another list that means the same: by its name, or else equal, or else at its place."""
    if not isinstance(item, dict):
        return [one for one in others if one == item]
    if "name" in item:
        return [one for one in others if isinstance(one, dict) and one.get("name") == item["name"]]
    return [one for one in others if one == item] or (others[number : number + 1] if len(others) == size else [])
