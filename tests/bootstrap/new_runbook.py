"""`make new-runbook NAME=node_replace`: a slice, a flow, tests, a deployment and a page of docs, in the shape of `node_drain`.

What comes out is lint-clean and refuses every run, and one test fails: it says what to decide first.
"""

import argparse
import keyword
import re
import sys
from pathlib import Path

from tests.servers.binaries import ROOT

TEMPLATES = Path(__file__).parent / "runbook"
PLACES = {
    "tasks": "tasks/{name}",
    "flows/flow.py": "flows/{name}.py",
    "tests/unit": "tests/unit/{name}",
    "tests/component/test_flow.py": "tests/component/test_{name}.py",
    "docs/page.md": "docs/{dashed}.md",
}
DEPLOYMENT = """
  - name: {dashed}
    description: Say in one sentence what it is for.
    entrypoint: flows.{name}.{name}
    work_pool: *pool
    parameters:
      cluster: example
    schedules: []
"""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Refuses a name that is none, or that is taken, before anything is written."""
    parser = argparse.ArgumentParser(prog="make new-runbook NAME=...", description=__doc__)
    parser.add_argument("name", help="as of the flow: node_replace")
    name = parser.parse_args(arguments).name
    if problem := what_is_wrong_with(name, root):
        print(f"NAME={name}: {problem}", file=sys.stderr)
        return 2
    for path in written(name, root):
        print(path.relative_to(root))
    print(f"now: make test ARGS=tests/unit/{name}; its failing test says what to decide first (CONTRIBUTING.md)")
    return 0


def what_is_wrong_with(name: str, root: Path) -> str:
    """Empty when it can be a runbook's."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name) or keyword.iskeyword(name):
        return "a runbook is called by noun and verb in small letters, for example node_replace"
    taken = [path for path in (root / "tasks" / name, root / "flows" / f"{name}.py") if path.exists()]
    return f"{taken[0].relative_to(root)} is there already" if taken else ""


def written(name: str, root: Path) -> list[Path]:
    """The new files, and those that got a line."""
    dashed, title = name.replace("_", "-"), "".join(part.capitalize() for part in name.split("_"))
    made = []
    for template in sorted(TEMPLATES.rglob("*.txt")):
        inside = template.relative_to(TEMPLATES).with_suffix("")
        start = next(one for one in PLACES if str(inside).startswith(one))
        place = root / (PLACES[start].format(name=name, dashed=dashed) + str(inside).removeprefix(start))
        place.parent.mkdir(parents=True, exist_ok=True)
        text = template.read_text().replace("sample_runbook", name).replace("sample-runbook", dashed)
        text = text.replace("SampleRunbook", title).replace("Sample runbook", name.replace("_", " ").capitalize())
        place.write_text(text)
        made.append(place)
    project, contracts = root / "prefect.yaml", root / ".importlinter"
    project.write_text(project.read_text().rstrip("\n") + "\n" + DEPLOYMENT.format(name=name, dashed=dashed))
    floors = contracts.read_text()
    top = "exhaustive = True\nlayers =\n    ca_rotation\n"
    contracts.write_text(floors.replace(top, top.replace("    ca_rotation\n", f"    {name} | ca_rotation\n"), 1))
    return [*made, project, contracts]


if __name__ == "__main__":
    sys.exit(main())
