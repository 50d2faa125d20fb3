"""Which script a node of a test is sent, and what it is given: `tasks.core.shell.script` fills in whole files."""

import re
import shlex
from pathlib import Path

TASKS = Path(__file__).parents[2] / "tasks"
_GIVEN = re.compile(r"""([A-Z][A-Z0-9_]*)=((?:'[^']*'|"[^"]*"|[^\s'"])*)\n""")


def told_by(script: str, folder: str) -> tuple[str, dict[str, str]]:
    """The name of the `.sh` file of a slice (below `tasks`), and the values; an empty name where it is of another one."""
    given: dict[str, str] = {}
    rest = script
    while found := _GIVEN.match(rest):
        given[found[1]] = "".join(shlex.split(found[2]))
        rest = rest[found.end() :]
    ends = {path.stem: path.read_text().rpartition("\n\n")[2] for path in (TASKS / folder).rglob("*.sh")}
    names = [name for name, end in ends.items() if rest.endswith(end) and not name.endswith(".lib")]
    return max(names, key=lambda name: len(ends[name]), default=""), given
