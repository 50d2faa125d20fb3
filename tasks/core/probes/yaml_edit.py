"""Changes some scalars of a YAML text in place.

All other bytes stay the same, and so does the meaning of the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from tasks.core.errors import Refused
from tasks.core.models.outside import from_yaml

Path = tuple[str | int, ...]
"""This is the path to a scalar: keys of mappings, positions in lists."""


class Edit(NamedTuple):
    """This is a range of bytes in a text, and the new text for it."""

    start: int
    end: int
    text: bytes


def edits(text: str, wanted: Mapping[Path, str], what: str) -> tuple[Edit, ...]:
    """Returns the edits that give each scalar its new text, in the order of their positions.

    The edited text is parsed again. If anything else in it would change its meaning, it raises `Refused`. It also
    raises `Refused` if a path leads to no scalar.
    """
    document, root = from_yaml(text, what), yaml.compose(text, Loader=yaml.SafeLoader)
    expected = document
    for path, value in wanted.items():
        expected = _with(expected, path, value)
    places = {path: _scalar(root, path, what) for path in wanted}
    for written in (str, _quoted):
        made = sorted(_edit(text, places[path], written(value)) for path, value in wanted.items())
        if _parsed(edited(text.encode(), made)) == [expected]:
            return tuple(made)
    raise Refused(
        f"{what}: it cannot be changed without changing the rest of it", hint="write it without YAML's anchors"
    )


def edited(text: bytes, made: Sequence[Edit]) -> bytes:
    """Returns the text after all edits."""
    for one in sorted(made, reverse=True):
        text = text[: one.start] + one.text + text[one.end :]
    return text


def _scalar(node: yaml.Node | None, path: Path, what: str) -> yaml.ScalarNode:
    for step in path:
        node = _child(node, step)
    if not isinstance(node, yaml.ScalarNode):
        raise Refused(f"{what}: {'.'.join(map(str, path))} is no single value", hint="write it as kubeadm does")
    return node


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    return None


def _edit(text: str, node: yaml.ScalarNode, value: str) -> Edit:
    """Returns the edit for one scalar.

    YAML's marks count characters, and a block of lines ends with the last line's end.
    """
    start, end = node.start_mark.index, node.end_mark.index
    line_end = "\n" if text[start:end].endswith("\n") else ""
    return Edit(len(text[:start].encode()), len(text[:end].encode()), f"{value}{line_end}".encode())


def _quoted(value: str) -> str:
    return yaml.safe_dump(value, default_style='"', width=len(value) * 10 + 10).rstrip("\n")


def _parsed(text: bytes) -> list[object]:
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        return []


def _with(document: Any, path: Path, value: str) -> Any:  # noqa: ANN401 - YAML
    if not path:
        return value
    first, *rest = path
    if isinstance(document, Mapping):
        return {**document, first: _with(document.get(first), tuple(rest), value)}
    if isinstance(document, list):
        return [_with(one, tuple(rest), value) if place == first else one for place, one in enumerate(document)]
    return document
