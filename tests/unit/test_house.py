"""Rules that hold for every model, for every decision and question, and for the names of our packages."""

import ast
import importlib
import pkgutil
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from pydantic import ValidationError

import flows
import tasks
from tasks.core.models.base import Duration, Model, UtcTime


def every_model() -> list[type[Model]]:
    """All of ours."""
    for module in pkgutil.walk_packages(tasks.__path__, "tasks."):
        importlib.import_module(module.name)
    found, waiting = [], [Model]
    while waiting:
        waiting += (below := waiting.pop().__subclasses__())
        found += [one for one in below if one.__module__.startswith("tasks.")]
    return found


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_a_model_is_frozen_strict_and_safe_to_hand_to_prefect(model: type[Model]) -> None:
    """Prefect calls dict() on a task's result, which calls a field named `keys` if there is one."""
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert not set(model.model_fields) & set(dir(dict))


class Times(Model):
    """One of each."""

    at: UtcTime
    took: Duration


def test_times_are_in_utc_and_need_a_zone() -> None:
    """Wherever they came from."""
    times = Times.model_validate({"at": "2026-11-23T13:00:00+01:00", "took": "90m"})
    assert times.model_dump_json() == '{"at":"2026-11-23T12:00:00Z","took":"PT1H30M"}'
    assert Times.model_validate_json(times.model_dump_json()) == times
    with pytest.raises(ValidationError, match="a time needs a zone, for example 2026-11-23T12:00:00Z"):
        Times.model_validate({"at": "2026-11-23T13:00:00", "took": 1})


@pytest.mark.parametrize("text", ["26", "26 h", "1.5h", "-3d", "9999999w", "h", ""])
def test_a_length_of_time_is_a_whole_number_with_a_unit(text: str) -> None:
    """And the error says so."""
    with pytest.raises(ValidationError, match="not a length of time|more than 6 digits"):
        Times.model_validate({"at": "2026-11-23T13:00:00Z", "took": text})


def test_no_dependency_installs_a_package_of_our_names() -> None:
    """`flows` and `tasks` are generic; whoever else brings one would replace ours."""
    owners = packages_distributions()
    for package in (flows, tasks):
        assert set(owners.get(package.__name__, ["kube-runbooks"])) == {"kube-runbooks"}
        assert Path(str(package.__file__)).parents[1] == Path(__file__).parents[2]


ROOT = Path(__file__).parents[2]
PURE = sorted(
    file
    for room in ("models", "policy", "probes", "scripts")
    for pattern in (f"tasks/*/{room}.py", f"tasks/*/{room}/**/*.py")
    for file in ROOT.glob(pattern)
)
LOOKS_AROUND = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("pathlib.Path.cwd", "pathlib.Path.home", "uuid.uuid1", "uuid.uuid4"),
    *("time.", "os.", "random.", "secrets.", "socket.", "platform.", "getpass.", "subprocess."),
)
"""What gives another answer at another time, or on another machine."""

ALLOWED = {("tasks/core/models/plan.py", "secrets.token_hex")}
"""Marks figures inside a text of a plan. Drawn once in each process, so that no text of a node can have the mark; no digest has it in it."""


def looks_around(source: str) -> set[str]:
    """Names of LOOKS_AROUND that a module uses, however it has imported them."""
    tree = ast.parse(source)
    meant: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                first = one.name.partition(".")[0]
                meant |= {one.asname: one.name} if one.asname else {first: first}
        elif isinstance(node, ast.ImportFrom) and node.module:
            meant |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    used = {dotted(node, meant) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return {name for name in used if name.startswith(LOOKS_AROUND)}


def dotted(node: ast.expr, meant: dict[str, str]) -> str:
    """`datetime.datetime.now` for `now` of a `datetime` that is imported from there; empty for what is no such name."""
    if isinstance(node, ast.Name):
        return meant.get(node.id, "")
    if isinstance(node, ast.Attribute) and (of := dotted(node.value, meant)):
        return f"{of}.{node.attr}"
    return ""


@pytest.mark.parametrize("file", PURE, ids=lambda file: str(file.relative_to(ROOT / "tasks")))
def test_who_decides_or_reads_an_answer_is_given_the_time_and_the_place(file: Path) -> None:
    """Else no test could say what becomes of it tomorrow, and no plan would be the same when it is made again."""
    name = str(file.relative_to(ROOT))
    assert {found for found in looks_around(file.read_text()) if (name, found) not in ALLOWED} == set()


def test_every_exception_is_still_one() -> None:
    """One that nobody needs any more hides the next one."""
    assert {(name, found) for name, found in ALLOWED if found in looks_around((ROOT / name).read_text())} == ALLOWED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import datetime as dt\ndt.datetime.utcnow()", "datetime.datetime.utcnow"),
        ("import os\nos.environ['X']", "os.environ"),
        ("from os import environ as e\ne['X']", "os.environ"),
        ("from time import monotonic\nask(monotonic)", "time.monotonic"),
        ("import os.path\nos.path.exists('x')", "os.path"),
        ("from pathlib import Path\nPath.cwd()", "pathlib.Path.cwd"),
        ("from datetime import datetime, UTC\ndatetime.fromtimestamp(0, UTC)", ""),
        ("now = 1\nclock.time(now)", ""),
    ],
)
def test_looking_around_is_found_by_whatever_name(source: str, found: str) -> None:
    """Imported as a module, from a module, or under another name."""
    seen = looks_around(source)
    assert found in seen if found else not seen
