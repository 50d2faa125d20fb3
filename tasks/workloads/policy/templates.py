"""Compares pod templates: what is different, as people read it, with secrets masked."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.workloads.policy.masking import MASK, is_secret_name, masked

JSON = Mapping[str, Any]

HASH_LABELS = ("pod-template-hash", "controller-revision-hash")
"""Names the labels that the controllers add to a template themselves."""

ABSENT = "(absent)"
LONGEST = 120
"""Limits the characters of a value."""


def differences(before: JSON, after: JSON) -> tuple[str, ...]:
    """Returns a line for each value that is different, such as `containers[main].image: web:1 -> web:2`.

    An object with a name in a list is compared with the one of the same name. A value whose name looks like a secret
    is masked on both sides.
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    names = [name for name in (*old, *(name for name in new if name not in old)) if old.get(name) != new.get(name)]
    return tuple(f"{_shown(name)}: {_value(name, old)} -> {_value(name, new)}" for name in names)


def without_hashes(template: JSON) -> dict[str, Any]:
    """Returns the template without the labels that controllers add, and without empty parts of its metadata."""
    metadata = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name not in HASH_LABELS}
    kept = {name: value for name, value in (metadata | {"labels": labels}).items() if value}
    return {"metadata": kept, "spec": template.get("spec") or {}}


def same_template(one: JSON, other: JSON) -> bool:
    """Checks whether two templates are the same, as kubectl and the controllers compare them."""
    return without_hashes(one) == without_hashes(other)


def digest_of_template(template: JSON) -> str:
    """Identifies a template, without what the controllers add to it."""
    text = json.dumps(without_hashes(template), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def images_of(template: JSON) -> dict[str, str]:
    """Returns the image of each container, init containers included."""
    spec = template.get("spec") or {}
    found = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {str(one.get("name")): str(one.get("image", "")) for one in found}


def _flat(template: JSON) -> Iterator[tuple[str, str]]:
    yield from _walk("", without_hashes(template))


def _walk(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if not value and path not in {"metadata", "spec"}:
            yield path, "{}"
        for name, one in value.items():
            if one is not None and name != "creationTimestamp":
                yield from _walk(f"{path}.{name}" if path else str(name), one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            named = one.get("name") if isinstance(one, Mapping) else None
            yield from _walk(f"{path}[{named or number}]", one)
    else:
        yield path, str(value)


def _shown(path: str) -> str:
    return path.removeprefix("spec.")


def _value(path: str, found: Mapping[str, str]) -> str:
    if path not in found:
        return ABSENT
    if ".env[" in path and path.endswith(".value") and is_secret_name(path.rpartition(".env[")[2]):
        return MASK
    return masked(found[path])[:LONGEST]
