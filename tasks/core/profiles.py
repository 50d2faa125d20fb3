"""Finds cluster profiles by name, reads them, and reports all their problems together."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tasks.core.errors import Refused
from tasks.core.models.profile import NAME_PATTERN, ClusterProfile
from tasks.core.wrong_fields import WrongField, wrong_fields


class _Loader(yaml.SafeLoader):
    """This loader reads only `true` and `false` as booleans, as in YAML 1.2: `on` is the name of a field.

    Pydantic accepts `yes` and `no`.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


OTHER_FOLDER = "set KUBE_RUNBOOKS_CLUSTERS to the folder of your profiles"
"""Helps a person in a new terminal, where the variable is not exported."""


def read_profile(folder: Path, name: str) -> ClusterProfile:
    """Returns the profile of a cluster; `Refused` names each wrong field, its value (never a secret) and the fix."""
    profile = profile_or_wrong_fields(folder, name)
    if isinstance(profile, ClusterProfile):
        return profile
    path, told = path_of(folder, name), [one.in_words for one in profile]
    problem = told[0] if len(told) == 1 else "\n- ".join([f"{len(told)} problems:", *told])
    raise Refused(f"{path}: {problem}", hint=f"edit {path}; docs/profile.md explains every field")


def profile_or_wrong_fields(folder: Path, name: str) -> ClusterProfile | tuple[WrongField, ...]:
    """Returns the profile of a cluster, or each of its wrong fields.

    It raises `Refused` if there is no such profile, or if the file is no profile at all.
    """
    path = path_of(folder, name)
    if not re.fullmatch(NAME_PATTERN, name) or not path.is_file():
        known = ", ".join(known_clusters(folder)) or "none yet"
        raise Refused(
            f"cluster {name!r} is unknown",
            hint=f"known in {folder}: {known}; add {name}.yaml there, correct the name, or {OTHER_FOLDER}",
        )
    raw = read_mapping(path, what="a profile", start="start with name:, etcd: and store:")
    if raw.get("name", name) != name:
        raise Refused(
            f"{path}: name: {raw['name']!r} is not the name of the file", hint=f"write name: {name}, or rename the file"
        )
    try:
        return ClusterProfile.model_validate({"name": name} | raw)
    except ValidationError as error:
        return wrong_fields(error, ClusterProfile)


def path_of(folder: Path, name: str) -> Path:
    """Returns the path of a cluster's profile."""
    return folder / f"{name}.yaml"


def known_clusters(folder: Path) -> list[str]:
    """Returns the names of the clusters that have a profile."""
    return sorted(path.stem for path in folder.glob("*.yaml") if re.fullmatch(NAME_PATTERN, path.stem))


def read_mapping(path: Path, *, what: str, start: str) -> dict[str, Any]:
    """Returns the fields of a YAML file; `Refused` says why it has none, and how such a file starts."""
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
        raise Refused(f"{path}: {what} is a mapping of fields, this is {type(raw).__name__}", hint=start)
    return raw
