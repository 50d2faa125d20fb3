"""Reads the access policy of a cluster, which is beside its profile, and reports all its problems together."""

from pathlib import Path

from pydantic import ValidationError

from tasks.access.models.policy import AccessPolicy
from tasks.core.errors import Refused
from tasks.core.profiles import read_mapping
from tasks.core.wrong_fields import wrong_fields

FILE = "access.yaml"

DOCS = "docs/access.md explains every field"


def path_of_policy(folder: Path, cluster: str) -> Path:
    """Returns the path of a cluster's access policy: `CLUSTER/access.yaml` in the folder of the profiles."""
    return folder / cluster / FILE


def read_policy(folder: Path, cluster: str) -> AccessPolicy | None:
    """Returns the access policy of a cluster; None if it has none.

    `Refused` names each wrong field, its value and the fix.
    """
    path = path_of_policy(folder, cluster)
    if not path.exists():
        return None
    raw = read_mapping(path, what="an access policy", start="start with users:, groups: or accepted:")
    try:
        return AccessPolicy.model_validate(raw)
    except ValidationError as error:
        told = [one.in_words for one in wrong_fields(error, AccessPolicy)]
    problem = told[0] if len(told) == 1 else "\n- ".join([f"{len(told)} problems:", *told])
    raise Refused(f"{path}: {problem}", hint=f"edit {path}; {DOCS}")
