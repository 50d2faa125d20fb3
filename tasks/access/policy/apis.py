"""Finds versions of the API that a release removes, and that somebody still uses."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tasks.access.models.audit import Finding, Severity
from tasks.access.models.resources import Served
from tasks.core.models.findings import listed

CORE = "core"
"""Stands for the group without a name in the metrics of the API server."""


class Deprecated(NamedTuple):
    """Holds a version that was requested, the release that removes it, and who wrote objects by it."""

    name: str
    """It has the form `group/version/resource`."""
    release: str
    writers: tuple[str, ...] = ()


def newer_path(name: str, served: Iterable[Served]) -> str:
    """Returns the path of the same resource in another version; empty if there is none.

    A request by the old version would count as one that uses it.
    """
    group, version, resource = name.split("/")
    own = "" if group == CORE else group
    versions = [
        one.version for one in served if (one.group, one.resource) == (own, resource) and one.version != version
    ]
    if not versions:
        return ""
    return f"/apis/{own}/{versions[0]}/{resource}" if own else f"/api/{versions[0]}/{resource}"


def api_version_of(name: str) -> str:
    """Returns `group/version` as objects have it."""
    return name.rpartition("/")[0].removeprefix(f"{CORE}/")


def find_deprecated(found: Iterable[Deprecated], minor: int) -> Iterator[Finding]:
    """Yields each of them. It is of severity medium if the next minor version no longer has it."""
    for one in found:
        is_soon = int(one.release.partition(".")[2] or 0) <= minor + 1
        writers = f"; objects were written with it by {listed(list(one.writers))}" if one.writers else ""
        yield Finding(
            id=f"deprecated-api:{one.name}",
            check="deprecated-api",
            severity=Severity.MEDIUM if is_soon else Severity.LOW,
            subject=one.name,
            problem=f"Kubernetes {one.release} removes it, and it was requested since the API server started",
            evidence=f"apiserver_requested_deprecated_apis{writers}",
            fix="write a newer version into manifests and clients; in the audit log such requests have k8s.io/deprecated: true",
        )


def api_table(served: Iterable[Served]) -> Mapping[str, str]:
    """Returns each resource of the API, as `deployments.apps`, with its versions, its kind and its verbs."""
    rows: dict[str, list[Served]] = {}
    for one in served:
        rows.setdefault(f"{one.resource}.{one.group}" if one.group else one.resource, []).append(one)
    return {
        name: f"{', '.join(one.version for one in found)} {found[0].kind}: {' '.join(found[0].verbs)}"
        for name, found in sorted(rows.items())
    }
