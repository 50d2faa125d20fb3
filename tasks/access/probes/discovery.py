"""Parses which resources the API knows."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.access.models.resources import Resource, Resources, Served
from tasks.core.models import outside


def parse_resources(groups: Iterable[Mapping[str, Any]]) -> Resources:
    """Returns the resources of all groups in all their versions."""
    found: dict[tuple[str, str], Resource] = {}
    for item in groups:
        group = outside.ApiGroup.read(item, "an API group")
        for one in (resource for version in group.versions for resource in version.resources):
            known = found.get((group.metadata.name, one.resource), Resource(in_namespaces=False))
            below = known.subresources | {sub.subresource for sub in one.subresources}
            found[group.metadata.name, one.resource] = Resource(one.scope == "Namespaced", below)
    return found


def parse_served(groups: Iterable[Mapping[str, Any]]) -> tuple[Served, ...]:
    """Returns each resource in each version; the version that the API prefers is the first of its group."""
    return tuple(
        Served(group.metadata.name, version.version, one.resource, one.response_kind.kind, one.verbs)
        for group in (outside.ApiGroup.read(item, "an API group") for item in groups)
        for version in group.versions
        for one in version.resources
    )


def writers_in(items: Iterable[Mapping[str, Any]], api_version: str) -> tuple[str, ...]:
    """Returns who wrote fields of these objects by a version of the API, with one object of each."""
    found: dict[str, str] = {}
    for item in items:
        head = outside.Managed.read(item, outside.name_of("object", item)).metadata
        place = f"{head.namespace}/{head.name}" if head.namespace else head.name
        for one in head.managed_fields:
            if one.api_version == api_version:
                found.setdefault(one.manager, place)
    return tuple(f"{manager} (for example {place})" for manager, place in found.items())
