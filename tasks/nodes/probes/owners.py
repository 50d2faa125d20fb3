"""Parses the marks by which an object shows who owns it."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of


def notes_of(raw: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, str, str] | None, tuple[str, ...]]:
    """Returns the annotations and labels, the controller, and the managers of a workload or a pod."""
    metadata = outside.Marked.read(raw, name_of("workload", raw)).metadata
    owner = next((one for one in metadata.owner_references if one.controller), None)
    controller = (owner.api_version, owner.kind, owner.name) if owner else None
    return metadata.labels | metadata.annotations, controller, tuple(one.manager for one in metadata.managed_fields)
