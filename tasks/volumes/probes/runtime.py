"""Asks a node where its container runtime keeps images: `look_at_runtime.sh`, and a parser of its answer."""

import base64
import json
import re
import tomllib
from collections.abc import Iterator

from tasks.core.models.findings import Problem
from tasks.core.shell import script

_TIME = re.compile(r'^time="[^"]*" ')
"""This is the time in words of crictl. A plan with it would be another one each time."""


def look_at_runtime(endpoint: str) -> str:
    """Returns the question for a node; `endpoint` is the socket of its container runtime."""
    return script(__file__, "look_at_runtime", endpoint=endpoint)


def parse_image_folders(output: str) -> tuple[str, ...] | Problem:
    """Parses its answer. A Problem if the runtime names no folder."""
    kind, _, value = output.strip().partition(" ")
    text = _TIME.sub("", base64.b64decode(value).decode(errors="backslashreplace").strip())
    try:
        if kind == "info":
            found = tuple(_mount_points(json.loads(text)))
        elif kind == "root":
            found = (str(tomllib.loads(text)["root"]),)
        else:
            return Problem(text=text or "it did not answer")
    except (ValueError, KeyError):  # also of JSON and of TOML
        found = ()
    if found and all(one.startswith("/") and one.isprintable() for one in found):
        return found
    return Problem(text=f"it names no folder: {text}")


def _mount_points(told: object) -> Iterator[str]:
    """Yields each mount point. crictl has them in a list; versions before 1.29 do not."""
    if isinstance(told, dict):
        if "mountpoint" in told:
            yield str(told["mountpoint"])
        told = list(told.values())
    for one in told if isinstance(told, list) else ():
        yield from _mount_points(one)
