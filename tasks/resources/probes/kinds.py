"""Parses which kinds the API serves, and which of them another server answers for."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.models import outside
from tasks.core.models.plan import Skip
from tasks.resources.models import Kind

MEASURED = frozenset({"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"})
"""Groups that serve measurements, which nobody can bring back: a backup without them is complete."""

NEEDED = frozenset({"list", "create"})
"""The verbs of a kind that can be backed up and brought back."""


def parse_kinds(
    groups: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]]
) -> tuple[tuple[Kind, ...], tuple[Skip, ...]]:
    """Returns each kind in the first version that has it, which the API prefers, and the groups that do not answer.

    `services` are the APIServices: those with a Service are answered by another server.
    """
    elsewhere = _elsewhere(services)
    kinds: dict[tuple[str, str], Kind] = {}
    fresh: set[tuple[str, str]] = set()
    for group in (outside.ApiGroup.read(item, "an API group") for item in groups):
        name = group.metadata.name
        for version in group.versions:
            place = (name, version.version)
            if version.freshness != "Stale" and version.resources:
                fresh.add(place)
            for one in version.resources:
                if set(one.verbs) >= NEEDED and one.response_kind.kind:
                    kind = one.response_kind.kind
                    found = Kind(*place, kind, one.resource, one.scope == "Namespaced", place in elsewhere)
                    kinds.setdefault((name, one.resource), found)
    silent = {place for place in elsewhere - fresh if place[0] not in MEASURED}
    return (
        tuple(one for one in kinds.values() if (one.group, one.version) not in silent),
        tuple(
            Skip(subject=f"*.{group}", reason=f"the API server of {group}/{version} does not answer")
            for group, version in sorted(silent)
        ),
    )


def _elsewhere(services: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Returns the groups and versions that an APIService gives to a Service."""
    specs = [one.get("spec") or {} for one in services]
    return {(spec.get("group", ""), spec.get("version", "")) for spec in specs if spec.get("service")}
