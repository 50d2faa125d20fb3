"""Reads claims with their volumes, the classes of snapshots, the nodes and pods of volumes on nodes, and our snapshots."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError, in_one_line
from tasks.core.models.findings import Problem
from tasks.core.models.profile import InContainers
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.probes.api_facts import parse_node
from tasks.volumes.models.archives import Home, PodOfClaim
from tasks.volumes.models.facts import Claim, SnapshotClass, Volume, VolumeFacts
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.models.selection import Selection
from tasks.volumes.models.snapshots import RUN, Pair
from tasks.volumes.policy.pairs import pairs_of
from tasks.volumes.policy.places import ON_A_NODE, filled_in, is_empty, node_of, what_is_wrong_with_path
from tasks.volumes.probes.folder import look_at_folder, parse_folder
from tasks.volumes.probes.hooks import Ended, parse_end, parse_pod
from tasks.volumes.probes.objects import (
    CLAIMS,
    CLASSES,
    CONTENTS,
    GROUP,
    NODES,
    SNAPSHOTS,
    VOLUMES,
    parse_claim,
    parse_class,
    parse_content,
    parse_snapshot,
    parse_volume,
)
from tasks.volumes.probes.pods import parse_pod_of_claim
from tasks.volumes.probes.workload import claims_of
from tasks.volumes.scripts.hooks import find_container
from tasks.volumes.store import volumes_of

JSON = dict[str, Any]

ASK_LIMIT = timedelta(seconds=30)
"""Limits how long a node may take to find a container."""

LOOK_LIMIT = timedelta(minutes=10)
"""Limits the look at one folder, whose files are counted."""


def observe(handle: Cluster, selection: Selection) -> VolumeFacts:
    """Reads the claims of a selection, their volumes, the classes, and the pods that hooks fit. It asks nodes about volumes that are their folders."""
    kube, hooks = handle.kube, handle.profile.volumes.hooks
    claims, missing = _selected(kube, selection)
    spaces = {one.namespace for one in claims}
    volumes = _volumes(kube, claims)
    has_snapshots = kube.find(GROUP) is not None
    facts = VolumeFacts(
        observed_at=datetime.now(UTC),
        claims=tuple(sorted(claims, key=lambda one: one.id)),
        missing=tuple(missing),
        volumes=tuple(volumes),
        has_snapshots=has_snapshots,
        classes=tuple(_classes(kube)) if has_snapshots else (),
        hooks=hooks,
        pods=tuple(pod for hook in hooks if hook.namespace in spaces for pod in pods_of_hook(handle, hook)),
    )
    here = [(one, volume) for one in facts.claims if (volume := facts.volume_of(one)) and volume.source in ON_A_NODE]
    if not here:
        return facts
    users = read_users(kube, {one.id for one, _ in here})
    nodes = [parse_node(raw, None) for raw in kube.items(NODES)]
    homes = on_all(lambda pair: _home(handle, *pair, nodes, users), here)
    store = volumes_of(handle)
    known = store.known() if any(map(is_empty, homes)) else []
    homes = [
        home.model_copy(update={"filled_in": filled_in(volume, store.newest_first(known))}) if is_empty(home) else home
        for (_, volume), home in zip(here, homes, strict=True)
    ]
    return facts.model_copy(update={"users": users, "homes": tuple(homes)})


def read_users(kube: KubeClient, claims: Collection[str]) -> tuple[PodOfClaim, ...]:
    """Reads the pods that name these claims, given as NAMESPACE/NAME, also those that have finished."""
    spaces = sorted({one.partition("/")[0] for one in claims})
    found = [parse_pod_of_claim(raw) for space in spaces for raw in kube.items(f"/api/v1/namespaces/{space}/pods")]
    return tuple(one for one in found if set(one.claims) & set(claims))


def _home(handle: Cluster, claim: Claim, volume: Volume, nodes: Sequence[KubeNode], pods: Sequence[PodOfClaim]) -> Home:
    """Returns the node of a volume, with what it says of the folder. A node that does not answer is a fact, with the reason."""
    node = node_of(claim, volume, nodes, pods)
    if isinstance(node, Problem):
        return Home(volume=volume.name, problem=node.text, next_step=node.next_step)
    boot_id = next(one.boot_id for one in nodes if one.name == node)
    home = Home(volume=volume.name, node=node, boot_id=boot_id)
    if claim.block or what_is_wrong_with_path(volume):
        return home  # it is refused: the node has nothing to look at
    try:
        told = handle.shell(node).run(look_at_folder(volume.path), limit=LOOK_LIMIT)
        return home.model_copy(update={"folder": parse_folder(node, told)})
    except RunbookError as error:
        return home.model_copy(update={"problem": error.problem, "next_step": error.hint or f"ssh to {node}"})


def pods_of_hook(handle: Cluster, hook: InContainers) -> list[HookPod]:
    """Reads the pods that a hook or a check fits, and asks their nodes whether they can run a command in the container."""
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
    if kube.find(GROUP) is None:
        return ()
    which = {"labelSelector": f"{RUN}={run}" if run else RUN}
    snapshots = [parse_snapshot(raw) for raw in kube.items(SNAPSHOTS, **which)]
    contents = [parse_content(raw) for raw in kube.items(CONTENTS)]
    mine = [one for one in contents if not run or not one.run or one.run == run]
    return pairs_of(snapshots, mine)
