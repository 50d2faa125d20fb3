"""Says in a sentence what a step found or changed. The JSON of the report has all of it."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from tasks.core.words import counted, duration_in_words
from tasks.run.policy.node_states import name_of, reasons_of, results_of

LONGEST = 240
"""Limits the length of a cell, in characters."""
VALUES = 6
"""Limits how many values a cell shows."""
LONGEST_VALUE = 60
MORE = "more in the JSON"

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_LENGTH = re.compile(r"-?P(?=.)[0-9.DTHMSW]+")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def sentence_of(evidence: Mapping[str, JsonValue]) -> str:
    """Returns what happened to each node; without nodes, the values that come first."""
    nodes = [_of_node(result) for result in results_of(evidence)]
    nodes += [f"{node} failed: {why}" for node, why in reasons_of(evidence, "failed").items()]
    nodes += [f"{node} waits: {why}" for node, why in reasons_of(evidence, "waiting").items()]
    return _fitting(nodes, "; ") if nodes else _fitting(list(_values(evidence)), ", ", VALUES)


def duration_of(value: object) -> timedelta | None:
    """Returns a duration from the JSON of a report; None if it is none."""
    try:
        return _DURATION.validate_python(value)
    except ValidationError:
        return None


def _of_node(result: Mapping[str, JsonValue]) -> str:
    before, after, took = result.get("before"), result.get("after"), duration_of(result.get("took"))
    parts = [
        _change(before, after),
        *(counted(_count(result.get(field)), one, many) for field, one, many in _COUNTED if result.get(field)),
        "rebooted" if result.get("rebooted") else "",
        f"in {duration_in_words(took)}" if took else "",
    ]
    return f"{name_of(result)}: {', '.join(part for part in parts if part) or 'done'}"


def _change(before: JsonValue, after: JsonValue) -> str:
    if before is None or after is None:
        return ""
    return f"{before} to {after} bytes" if isinstance(after, int) else f"{before} to {after}"


_COUNTED = (
    ("renewed", "certificate renewed", "certificates renewed"),
    ("restarted", "static pod restarted", "static pods restarted"),
    ("changes", "package changed", "packages changed"),
    ("evicted", "pod evicted", "pods evicted"),
)


def _count(value: JsonValue) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _values(evidence: Mapping[str, JsonValue]) -> Iterator[str]:
    """Yields values as words, such as `route tunnel`, and lists as a count. Values within other values come last.

    Flags and empty lists are for programs.
    """
    nested: list[tuple[str, dict[str, JsonValue]]] = []
    for name, value in evidence.items():
        if name == "took" or isinstance(value, bool) or value in (None, "", []):
            continue  # the row has what a step took
        if isinstance(value, dict):
            nested.append((name, value))
        elif isinstance(value, list):
            yield _counted(len(value), _named(name))
        else:
            yield f"{_named(name)} {_cut(_as_read(name, value))}"
    for outer, inside in nested:
        yield from _values({_within(_named(outer), _named(name)): value for name, value in inside.items()})


def _within(outer: str, name: str) -> str:
    """Returns the name of a value within another one, without saying its last word twice."""
    return outer if f" {outer}".endswith(f" {name}") else f"{outer} {name}"


def _named(field: str) -> str:
    return field.replace("_", " ")


def _counted(count: int, what: str) -> str:
    """Returns a count with the name of a list, as in `3 leases renewed` and `1 lease renewed`."""
    noun, space, rest = what.partition(" ")
    plural = "es" if noun.endswith("sses") else "" if noun.endswith("ss") else "s"
    one = noun.removesuffix(plural)
    return f"{count} {one if count == 1 else noun}{space}{rest}"


def _as_read(field: str, value: JsonValue) -> str:
    """Returns a value as people read it: sizes, durations and times have their units."""
    if isinstance(value, int) and field.endswith(("size", "bytes", "size_in_use")):
        return f"{value} bytes"
    if isinstance(value, str) and _LENGTH.fullmatch(value) and (length := duration_of(value)) is not None:
        return duration_in_words(length)
    if isinstance(value, str) and (moment := _MOMENT.fullmatch(value)):
        return f"{moment[1]} {moment[2]} UTC"
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _fitting(parts: list[str], between: str, most: int = 1000) -> str:
    """Joins the parts that fit into a cell, and says if there are more."""
    shown = parts[:most]
    while len(shown) > 1 and len(between.join(shown)) > LONGEST:
        shown.pop()
    text = between.join(shown)
    if len(text) > LONGEST:
        return f"{text[:LONGEST]}… ({MORE})"
    return f"{text} ({MORE})" if len(shown) < len(parts) else text
