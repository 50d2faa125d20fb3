"""Lists the available runbooks from the files in `flows/`.

It imports none of them, so `--help` answers immediately.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tasks.core.commands import command_of

FLOWS = Path(__file__).parents[1] / "flows"


class Entry(NamedTuple):
    """Describes a runbook by its command, its flow, and the first sentence of its docstring."""

    command: str
    flow: str
    help: str


@cache
def runbooks() -> tuple[Entry, ...]:
    """Returns all runbooks, sorted by name. A new file in `flows/` appears automatically."""
    return tuple(_entry(file) for file in sorted(FLOWS.glob("[a-z]*.py")))


def _entry(file: Path) -> Entry:
    tree = ast.parse(file.read_text())
    function = next(one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == file.stem)
    return Entry(command_of(file.stem), file.stem, _first_sentence(ast.get_docstring(function) or ""))


def _first_sentence(text: str) -> str:
    return text.partition("\n")[0].partition(". ")[0].rstrip(".") + "."
