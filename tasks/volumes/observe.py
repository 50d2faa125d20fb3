"""Reads claims with their volumes, the classes of snapshots, and our snapshots."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.volumes.models.facts import Claim, SnapshotClass, Volume, VolumeFacts
from tasks.volumes.models.selection import Selection
from tasks.volumes.models.snapshots import RUN, Pair
from tasks.volumes.policy.pairs import pairs_of
from tasks.volumes.probes.objects import (
    CLAIMS,
    CLASSES,
    CONTENTS,
    GROUP,
    SNAPSHOTS,
    VOLUMES,
    parse_claim,
    parse_class,
    parse_content,
    parse_snapshot,
    parse_volume,
)
from tasks.volumes.probes.workload import claims_of

JSON = dict[str, Any]


def observe(kube: KubeClient, selection: Selection) -> VolumeFacts:
    """Reads the claims of a selection, their volumes, and the classes."""
    claims, missing = _selected(kube, selection)
    has_snapshots = kube.find(GROUP) is not None
    return VolumeFacts(
        observed_at=datetime.now(UTC),
        claims=tuple(sorted(claims, key=lambda one: one.id)),
        missing=tuple(missing),
        volumes=tuple(_volumes(kube, claims)),
        has_snapshots=has_snapshots,
        classes=tuple(_classes(kube)) if has_snapshots else (),
    )


def path_of_claims(namespace: str) -> str:
    """Returns the path of the claims of a namespace."""
    return CLAIMS.replace("/v1/", f"/v1/namespaces/{namespace}/")


def path_of_snapshots(namespace: str) -> str:
    """Returns the path of the snapshots of a namespace."""
    return SNAPSHOTS.replace("/v1/", f"/v1/namespaces/{namespace}/")


def _selected(kube: KubeClient, selection: Selection) -> tuple[list[Claim], list[str]]:
    """Returns the claims, and what is named and does not exist."""
    if selection.claims:
        return _named(kube, selection.claims)
    if ref := selection.ref:
        raw = kube.find(ref.path)
        if raw is None:
            return [], [f"{ref.workload} in {ref.namespace}"]
        there = {one["metadata"]["name"] for one in kube.items(path_of_claims(ref.namespace))}
        return _named(kube, [f"{ref.namespace}/{name}" for name in claims_of(raw, there)])
    query = {"labelSelector": selection.labels} if selection.labels else {}
    missing = [f"namespace {one}" for one in selection.namespaces if kube.find(f"/api/v1/namespaces/{one}") is None]
    paths = [path_of_claims(one) for one in selection.namespaces] or [CLAIMS]
    return [parse_claim(raw) for path in paths for raw in kube.items(path, **query)], missing


def _named(kube: KubeClient, names: Iterable[str]) -> tuple[list[Claim], list[str]]:
    found: list[Claim] = []
    missing: list[str] = []
    for name in dict.fromkeys(names):
        namespace, _, claim = name.partition("/")
        raw = kube.find(f"{path_of_claims(namespace)}/{claim}")
        if raw is None:
            missing.append(f"claim {name}")
        else:
            found.append(parse_claim(raw))
    return found, missing


def _volumes(kube: KubeClient, claims: Iterable[Claim]) -> list[Volume]:
    names = {one.volume for one in claims if one.volume}
    return [parse_volume(raw) for raw in kube.items(VOLUMES) if raw["metadata"]["name"] in names] if names else []


def _classes(kube: KubeClient) -> list[SnapshotClass]:
    return [parse_class(raw) for raw in kube.items(CLASSES)]


def read_pairs(kube: KubeClient, run: str = "") -> tuple[Pair, ...]:
    """Reads the snapshots of ours, of one run or of all, each with its content."""
    which = {"labelSelector": f"{RUN}={run}" if run else RUN}
    snapshots = [parse_snapshot(raw) for raw in kube.items(SNAPSHOTS, **which)]
    contents = [parse_content(raw) for raw in kube.items(CONTENTS)]
    mine = [one for one in contents if not run or not one.run or one.run == run]
    return pairs_of(snapshots, mine)
