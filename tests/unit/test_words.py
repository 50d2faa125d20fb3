"""What people read is plain English: no word that `../shared/english.md` drops is in a string, a page or a deployment."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("flows", "tasks", "kube_runbooks")
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "prefect.yaml",
    *(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")),
)

DROPPED = re.compile(
    r"""\b(
        anew | ails? | ailing | told | believ\w+
      | (?<! @cert-) authorit(y|ies) (?! -data | \s*: | =)
      | of \s before | of \s nobody
      | (come|comes|came|coming) \s to \s (its|their|an) \s end
      | (has|have|had) \s ended
      | (say|says|said) \s no\b (?! \s \w)
      | (go|goes|went|gone|going) \s on \s with
      | look(s|ed|ing)? \s at
      | error \s budget
      | person's \s word
      | (say|says) \s (options\.|that \s this \s is \s fine)
      | at \s a \s time \s when \s that \s is
      | goes \s on \s where \s it \s was
      | what \s it \s says \s of \s itself
    )\b
    | (?<! Disruption) \b budgets? \b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Glossary of english.md: CA, trusts, unhealthy, previous, finished, expired, refuses, resumes, check, max_failed, PodDisruptionBudget."""


CODE_IN_TEXT = re.compile(r"`[^`]*`")


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Strings with a space in them, without keys; a docstring only where the UI and the command show it, which is in flows."""
    tree = ast.parse(file.read_text())
    hidden = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and file.parent.name != "flows"
    }
    hidden |= {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in hidden
            and " " in node.value
        ):
            yield node.lineno, node.value


def test_no_string_has_a_word_that_was_dropped() -> None:
    """Plans, reports, errors, hints, descriptions and log lines."""
    found = [
        f"{file.relative_to(ROOT)}:{line}: {match.group(0)!r} in {text!r}"
        for folder in CODE
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not file.name.startswith("rpc_pb2")
        for line, text in _texts(file)
        if (match := DROPPED.search(text))
    ]
    assert found == []


def test_no_page_has_a_word_that_was_dropped() -> None:
    """Documentation, and the deployments' descriptions."""
    found = [
        f"{page}:{number}: {match.group(0)!r} in {line.strip()!r}"
        for page in PAGES
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1)
        if (match := DROPPED.search(CODE_IN_TEXT.sub("", line)))
    ]
    assert found == []
