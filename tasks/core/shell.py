"""Scripts for a shell on a node: `.sh` files beside the module that reads their answers, filled in here and nowhere else.

A file's head says what it is `Given`, what it `Prints`, and with which `Status` it ends. What it is given is named in capitals, and
comes as quoted assignments in front of it; a line `. tasks/core/lib.sh` stands for that file. So each one is a whole script to
shellcheck, and no value is ever a part of a script's text.
"""

import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
"""Where sourced files are looked for: what `tasks` lies in."""

Value = str | int | PurePosixPath | Sequence[str]
"""`True` is `yes`, `False` is empty; several words are one value with spaces between, so none of them may have any."""

_SOURCE = re.compile(r"^\. (tasks/\S+\.sh)\n", re.MULTILINE)
_GIVEN = re.compile(r"^#(?: Given:)?\s+([A-Z][A-Z0-9_]*)\s\s", re.MULTILINE)
_WORD = re.compile(r"[^\s*?\[\\'\"]+")


def script(module: str, name: str, /, **given: Value) -> str:
    """The text of `name`.sh beside a module, for `/bin/sh -c`, with what it is given.

    Args:
        module: its `__file__`
        name: of the file, without `.sh`
        given: for each name of the file's head, in small letters

    Raises:
        ValueError: it is given something else than its head says, or a list with a word that is none
    """
    text, wanted = _read(Path(module).parent / f"{name}.sh")
    if {one.upper() for one in given} != wanted:
        raise ValueError(f"{name}.sh is given {sorted(given)}, and wants {sorted(wanted)}")
    lines = (f"{key.upper()}={_filled(value)}\n" for key, value in sorted(given.items()))
    return "".join(lines) + text


def quoted(word: PurePosixPath | str) -> str:
    """One word, whatever is in it."""
    return shlex.quote(str(word))


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """Without the comments at its top, and with what it sources, once; and the names of what it is given."""
    text = path.read_text()
    body = re.sub(r"\A(?:#.*\n)+", "", text)
    head = text.removesuffix(body)
    names = set(_GIVEN.findall(head))
    sourced: set[str] = set()

    def instead(found: re.Match[str]) -> str:
        file = found[1]
        if file in sourced:
            return ""
        sourced.add(file)
        more, wants = _read(ROOT / file)
        names.update(wants)
        return more

    return _SOURCE.sub(instead, body).lstrip("\n"), frozenset(names)


def _filled(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, str | int | PurePosixPath):
        return quoted(str(value))
    for one in value:
        if not _WORD.fullmatch(one):
            raise ValueError(f"{one!r} is not one word for a shell")
    return quoted(" ".join(value))
