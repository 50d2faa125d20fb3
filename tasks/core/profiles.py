"""Cluster profiles: found by name, read, and every problem in them told at once."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.core.errors import Refused
from tasks.core.models.profile import NAME_PATTERN, ClusterProfile


class _Loader(yaml.SafeLoader):
    """Only `true` and `false` are booleans, as in YAML 1.2: `on` is the name of a field. Pydantic knows `yes` and `no`."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_profile(folder: Path, name: str) -> ClusterProfile:
    """The profile of a cluster; `Refused` names each wrong field, its value (never a secret's) and the fix."""
    path = folder / f"{name}.yaml"
    if not re.fullmatch(NAME_PATTERN, name) or not path.is_file():
        known = ", ".join(known_clusters(folder)) or "none yet"
        raise Refused(
            f"cluster {name!r} is unknown",
            hint=f"known in {folder}: {known}; add {name}.yaml there, or correct the name",
        )
    raw = _read_yaml(path)
    if raw.get("name", name) != name:
        raise Refused(
            f"{path}: name: {raw['name']!r} is not the name of the file", hint=f"write name: {name}, or rename the file"
        )
    try:
        return ClusterProfile.model_validate({"name": name} | raw)
    except ValidationError as error:
        problems = "; ".join(_told(problem) for problem in _first_hand(error.errors(include_url=False)))
        raise Refused(f"{path}: {problems}", hint="correct the profile; docs/profile.md explains every field") from None


def known_clusters(folder: Path) -> list[str]:
    """Names of the clusters that have a profile."""
    return sorted(path.stem for path in folder.glob("*.yaml") if re.fullmatch(NAME_PATTERN, path.stem))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise Refused(
            f"{path}: this is not YAML{line}: {getattr(error, 'problem', '')}", hint="correct the syntax"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: cannot be read: {error}", hint="make it readable for the worker's user") from error
    if not isinstance(raw, dict):
        raise Refused(
            f"{path}: a profile is a mapping of fields, this is {type(raw).__name__}",
            hint="start with name:, etcd: and store:",
        )
    return raw


def _first_hand(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without "too short", which pydantic adds for a list when an item of it is wrong."""
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(place[:-1][: len(problem["loc"])] == problem["loc"] for place in places if place != problem["loc"])
    ]


def _told(problem: ErrorDetails) -> str:
    field = _field(problem)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{field}: unknown field{_similar(problem)}"
    if problem["type"] == "missing":
        return f"{field}: is missing"
    return f"{field}: {_shown(problem)}{message}" if field else message


def _field(problem: ErrorDetails) -> str:
    path = ""
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _shown(problem: ErrorDetails) -> str:
    """The value, unless it is or may hold a secret, or is too long to help."""
    value = problem["input"]
    field = next((part for part in reversed(problem["loc"]) if isinstance(part, str)), "")
    may_be_secret = "secret" in problem["msg"] or re.search("key|secret|token|password|recipients", field)
    if may_be_secret or isinstance(value, dict | list):
        return ""
    shown = f"{value!r}" if isinstance(value, str) else str(value)
    return f"{shown}: " if len(shown) <= 80 else ""  # noqa: PLR2004 - a line's worth


def _similar(problem: ErrorDetails) -> str:
    """`; did you mean …?` from the fields that the model has at this place. Never the value: it may be a secret."""
    model: Any = ClusterProfile
    for part in problem["loc"][:-1]:
        if isinstance(part, str):
            model = _model_behind(model.model_fields[part].annotation)
    names = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(problem["loc"][-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"


def _model_behind(annotation: Any) -> Any:  # noqa: ANN401 - annotations are anything
    """The model in `Model`, `Model | None` or `tuple[Model, ...]`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next(
        _model_behind(part)
        for part in annotation.__args__
        if hasattr(part, "model_fields") or hasattr(part, "__args__")
    )
