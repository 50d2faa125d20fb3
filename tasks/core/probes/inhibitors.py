"""Parses who inhibits what, as logind says it on the bus: the answer to `ListInhibitors` of org.freedesktop.login1.Manager."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from tasks.core.models.base import Model

SIGNATURE = "a(ssssuu)"
"""This is the type of the answer: a list of (what, who, why, mode, uid, pid)."""

FIELDS = 6

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


class _Answer(Model):
    type: str
    data: tuple[list[tuple[str, str, str, str, int, int]]]


def who_blocks(told: str) -> tuple[str, ...]:
    """Returns who blocks a shutdown, from the line of `list_inhibitors`.

    A list that was not told, or could not be parsed, is somebody unknown, with the reason.
    """
    kind, _, text = told.partition(" ")
    if kind == "none":
        return ()
    try:
        said = base64.b64decode(text, validate=True).decode(errors="replace").strip()
        if kind not in {"json", "typed"}:
            return (_unknown(said),)
        found = _of_json(said) if kind == "json" else list(_of_words(said))
    except (binascii.Error, ValidationError, ValueError):
        return (_unknown("its list of inhibitors could not be parsed"),)
    return tuple(
        f"{who} ({why}, pid {pid})"
        for what, who, why, mode, _, pid in found
        if mode == "block" and "shutdown" in what.split(":")
    )


def _unknown(why: str) -> str:
    return f"somebody unknown (logind: {' '.join(why.splitlines()[-1:]) or 'no answer'})"


def _of_json(text: str) -> Sequence[tuple[str, str, str, str, int, int]]:
    answer = _Answer.model_validate_json(text)
    if answer.type != SIGNATURE:
        raise ValueError(answer.type)
    return answer.data[0]


def _of_words(text: str) -> Iterator[tuple[str, str, str, str, int, int]]:
    """Yields the inhibitors from the words that busctl prints by itself: the type, the number, then each field."""
    signature, count, *words = [quoted or plain for quoted, plain in _WORD.findall(text)]
    if signature != SIGNATURE or len(words) != int(count) * FIELDS:
        raise ValueError(text)
    for at in range(0, len(words), FIELDS):
        what, who, why, mode, uid, pid = words[at : at + FIELDS]
        yield what, who, why, mode, int(uid), int(pid)
