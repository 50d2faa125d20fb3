"""Reads claims with their volumes, the classes of snapshots, and our snapshots."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError, in_one_line
from tasks.core.models.profile import VolumeHook
from tasks.volumes.models.facts import Claim, SnapshotClass, Volume, VolumeFacts
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.models.selection import Selection
from tasks.volumes.models.snapshots import RUN, Pair
from tasks.volumes.policy.pairs import pairs_of
from tasks.volumes.probes.hooks import Ended, parse_end, parse_pod
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
from tasks.volumes.scripts import find_container

JSON = dict[str, Any]

ASK_LIMIT = timedelta(seconds=30)
"""Limits how long a node may take to find a container."""


def observe(handle: Cluster, selection: Selection) -> VolumeFacts:
    """Reads the claims of a selection, their volumes, the classes, and the pods that hooks fit."""
    kube, hooks = handle.kube, handle.profile.volumes.hooks
    claims, missing = _selected(kube, selection)
    spaces = {one.namespace for one in claims}
    has_snapshots = kube.find(GROUP) is not None
    return VolumeFacts(
        observed_at=datetime.now(UTC),
        claims=tuple(sorted(claims, key=lambda one: one.id)),
        missing=tuple(missing),
        volumes=tuple(_volumes(kube, claims)),
        has_snapshots=has_snapshots,
        classes=tuple(_classes(kube)) if has_snapshots else (),
        hooks=hooks,
        pods=tuple(pod for hook in hooks if hook.namespace in spaces for pod in pods_of_hook(handle, hook)),
    )


def pods_of_hook(handle: Cluster, hook: VolumeHook) -> list[HookPod]:
    """Reads the pods that a hook fits, and asks their nodes whether they can run a command in the container."""
    path = f"/api/v1/namespaces/{hook.namespace}/pods"
    found = [parse_pod(raw, hook) for raw in handle.kube.items(path, labelSelector=hook.labels)]
    return on_all(lambda one: one.model_copy(update={"problem": _why_not_there(handle, one)}), found)


def _why_not_there(handle: Cluster, pod: HookPod) -> str:
    if not (pod.container_id and pod.claims):
        return ""  # the plan says so without the node
    try:
        endpoint = handle.shape(pod.node).kubelet.runtime_endpoint
        told = handle.shell(pod.node).run(find_container(pod.container_id, endpoint), limit=ASK_LIMIT)
    except RunbookError as error:
        return in_one_line(error.problem)
    if parse_end(told) is Ended.RUNNING:
        return ""
    return f"the container runtime of {pod.node} does not run the container {pod.container_id[:12]}"


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
