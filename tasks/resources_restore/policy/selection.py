"""Selects objects of a backup by kind, namespace, name and labels."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from tasks.core.models.findings import Problem
from tasks.nodes.models.pods import LabelSelector, Operator, Requirement
from tasks.resources_restore.models import Select, Target

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_PARTS = re.compile(r",(?![^(]*\))")
"""Finds the commas between requirements, not those in a list of values."""

_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)")
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")


def parse_labels(text: str) -> LabelSelector | Problem:
    """Returns the selector that kubectl's `--selector` would mean by this text."""
    found = [_requirement(part.strip()) for part in _PARTS.split(text)] if text.strip() else []
    if None in found:
        return Problem(
            text=f"{text!r} is no label selector",
            next_step="write it as kubectl takes it, for example --select-labels='app=web,tier in (a,b),!test'",
        )
    return LabelSelector(expressions=tuple(one for one in found if one))


def _requirement(text: str) -> Requirement | None:
    if found := _EQUAL.fullmatch(text):
        operator = Operator.NOT_IN if found[2] == "!=" else Operator.IN
        return Requirement(key=found[1], operator=operator, operands=(found[3],))
    if found := _IN.fullmatch(text):
        operator = Operator.IN if found[2] == "in" else Operator.NOT_IN
        return Requirement(key=found[1], operator=operator, operands=tuple(one.strip() for one in found[3].split(",")))
    if found := _EXISTS.fullmatch(text):
        operator = Operator.DOES_NOT_EXIST if found[1] else Operator.EXISTS
        return Requirement(key=found[2], operator=operator)
    return None


def is_meant(select: Select, target: Target) -> bool:
    """Checks everything but the labels, which are in the object and not in the list of the backup."""
    return (
        (not select.kinds or any(is_kind(kind, target) for kind in select.kinds))
        and (not select.namespaces or _within(target) in select.namespaces)
        and (not select.names or any(fnmatchcase(target.name, name) for name in select.names))
    )


def unmatched(select: Select, targets: Sequence[Target]) -> tuple[str, ...]:
    """Returns the words of a selection that fit no object of the backup: the others would hide a typing error."""
    asked = [
        *(("kind", word, Select(kinds=(word,))) for word in select.kinds),
        *(("namespace", word, Select(namespaces=(word,))) for word in select.namespaces),
        *(("name", word, Select(names=(word,))) for word in select.names),
    ]
    return tuple(f"{what} {word}" for what, word, alone in asked if not any(is_meant(alone, one) for one in targets))


def _within(target: Target) -> str:
    """Returns the namespace of an object in the backup; a Namespace is in itself."""
    return target.name if (target.group, target.kind) == ("", "Namespace") else target.source


def is_kind(asked: str, target: Target) -> bool:
    """Checks whether a word means the kind: its kind or resource, with or without its group."""
    word = asked.lower()
    names = (target.kind.lower(), target.resource)
    return word in names or (bool(target.group) and word in {f"{name}.{target.group}" for name in names})


def parse_map(pairs: tuple[str, ...]) -> Mapping[str, str]:
    """Returns which namespace of the backup is restored into which one."""
    return dict(pair.split("=", 1) for pair in pairs)


def wrong_map(pairs: tuple[str, ...], select: Select) -> Problem | None:
    """Returns why the map of namespaces cannot be followed."""
    mapped = parse_map(pairs)
    if len(mapped) < len(pairs) or len(set(mapped.values())) < len(pairs):
        return Problem(
            text="--into-namespace names a namespace twice", next_step="name each namespace once on each side"
        )
    if select.namespaces and (others := set(mapped) - set(select.namespaces)):
        return Problem(
            text=f"--into-namespace has namespaces that are not selected: {', '.join(sorted(others))}",
            next_step="add them to --select-namespaces, or leave them out of --into-namespace",
        )
    return None
