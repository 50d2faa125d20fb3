"""Reads a YAML configuration, field by field."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from tasks.core.probes.kubelet_config import overlaid

NOTHING: tuple[object, ...] = (None, "", "0s", {}, [])
"""Lists how Go writes a field that nobody has set. Such a field cannot be lost."""

HIDDEN = ("header", "token", "password", "secret")
"""Lists words in the names of fields whose values are confidential."""


def settings_of(text: str, what: str, above: Sequence[Mapping[str, Any]] = ()) -> dict[str, str]:
    """Returns the path of each field that is set (`a.b`), with its value as in JSON.

    It raises `ValueError` with the problem of the text. The values of `above` take precedence, as a kubelet's
    drop-ins do. They are not lost with the file.
    """
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"{what} is no YAML: {' '.join(str(error).split())}"
        raise ValueError(message) from error
    if isinstance(found, Mapping):
        return dict(_fields(overlaid(found, above), ""))
    message = f"{what} is no configuration"
    raise ValueError(message)


def _fields(value: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for name, one in value.items():
        path = f"{above}{name}"
        if one in NOTHING:
            continue
        if any(word in str(name).lower() for word in HIDDEN):
            yield path, "(set)"
        elif isinstance(one, Mapping):
            yield from _fields(one, f"{path}.")
        else:
            yield path, one if isinstance(one, str) else json.dumps(one, default=str)
