"""Fills in shell scripts for a node.

They are `.sh` files next to the module that reads their output, and only this module fills them in.

The head of a file says what it is `Given`, what it `Prints`, and with which `Status` it exits. Its inputs have
names in capital letters, and become quoted assignments in front of the script. A line `. tasks/core/lib.sh`
stands for the content of that file. So shellcheck sees each file as a whole script, and no value is ever part
of a script's text.
"""

import re
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
"""This is the folder in which sourced files are found: the parent of `tasks`."""

Value = str | int | PurePosixPath | Sequence[str]
"""This is a value for a script: `True` is `yes`, and `False` is empty.

Several words are one value with spaces between them, so none of them may contain a space.
"""

_SOURCE = re.compile(r"^\. (tasks/\S+\.sh)\n", re.MULTILINE)
_GIVEN = re.compile(r"^#(?: Given:)?\s+([A-Z][A-Z0-9_]*)\s\s", re.MULTILINE)
_WORD = re.compile(r"[^\s*?\[\\'\"]+")


def script(module: str, name: str, /, **given: Value) -> str:
    """Returns the text of `name`.sh next to a module, for `/bin/sh -c`, with its inputs filled in.

    Args:
        module: its `__file__`
        name: the name of the file, without `.sh`
        given: a value for each name in the file's head, in lower case

    Raises:
        ValueError: the inputs differ from the head, a list item is not one shell word, or a list input is one text
    """
    text, wanted = _read(Path(module).parent / f"{name}.sh")
    if {one.upper() for one in given} != wanted:
        raise ValueError(f"{name}.sh is given {sorted(given)}, and wants {sorted(wanted)}")
    for key, value in given.items():
        if isinstance(value, str | PurePosixPath) and _is_split(text, key.upper()):
            raise ValueError(f"{name}.sh splits {key.upper()} at spaces: give it a list of words, or a path a line")
    lines = (f"{key.upper()}={_filled(value)}\n" for key, value in sorted(given.items()))
    return "".join(lines) + text


def quoted(word: PurePosixPath | str) -> str:
    """Returns the text as one shell word, whatever it contains."""
    return shlex.quote(str(word))


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """Returns the script without the comments at its top, and the names of its inputs.

    Each file that it sources is included once.
    """
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


def _is_split(text: str, name: str) -> bool:
    """Checks whether a script splits a value into a list of words. A script that sets IFS splits it into lines instead."""
    takes_lines = re.search(r"^IFS='\n", text, re.MULTILINE)
    return not takes_lines and re.search(rf'\bfor \w+ in [^\n;"]*\$\{{?{name}\b', text) is not None


def _filled(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, str | int | PurePosixPath):
        return quoted(str(value))
    for one in value:
        if not _WORD.fullmatch(one):
            raise ValueError(f"{one!r} is not one word for a shell")
    return quoted(" ".join(value))
