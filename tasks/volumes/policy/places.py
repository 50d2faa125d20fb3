"""Decides on which node a volume lives, and whether that node can archive it."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from tasks.core.models.findings import Problem, listed
from tasks.core.models.folders import BACKUPS
from tasks.drain.policy.selectors import suits
from tasks.nodes.models.nodes import KubeNode
from tasks.volumes.models.archives import Folder, Home, PodOfClaim
from tasks.volumes.models.backups import VolumeBackup
from tasks.volumes.models.facts import Claim, Volume
from tasks.volumes.policy.sizes import space_needed

ON_A_NODE = frozenset({"local", "hostPath"})
"""Names the kinds of volumes that are a folder of a node."""

OTHER_WAY = "back up its data in another way"


def node_of(claim: Claim, volume: Volume, nodes: Sequence[KubeNode], pods: Iterable[PodOfClaim]) -> str | Problem:
    """Returns the node whose folder a volume is: by its nodeAffinity, or else by the pods that use or used the claim."""
    suitable = [one.name for one in nodes if suits(volume.node_terms, one)]
    if volume.node_terms is not None and not suitable:
        return Problem(
            text=f"no node matches the nodeAffinity of its volume {volume.name}: its node is gone",
            next_step=f"`kubectl get pv {volume.name} -o yaml` shows the node; {OTHER_WAY}",
        )
    if len(suitable) == 1:
        return suitable[0]
    used = sorted({one.node for one in pods if one.node in suitable and claim.id in one.claims})
    if len(used) == 1:
        return used[0]
    told = f"pods used it on {listed(used)}" if used else "no pod says which one it is"
    return Problem(
        text=f"its volume {volume.name} may be on any of {len(suitable)} nodes: it has no nodeAffinity to one, and {told}",
        next_step=f"name the node: `kubectl edit pv {volume.name}`, spec.nodeAffinity for kubernetes.io/hostname",
    )


def what_is_wrong_with_path(volume: Volume) -> Problem | None:
    """Returns why the path of a volume cannot be archived, whatever is there; None if it can."""
    path, spool = PurePosixPath(volume.path), PurePosixPath(BACKUPS)
    if path == PurePosixPath("/") or spool.is_relative_to(path) or path.is_relative_to(spool.parent):
        return Problem(
            text=f"its volume {volume.name} is {path}, which contains the node itself or the files of its runs",
            next_step=OTHER_WAY,
        )
    return None


def is_empty(home: Home) -> bool:
    """Checks whether the folder of a volume has nothing in it, as the place of a disk that is not mounted."""
    return home.folder is not None and home.folder.kind == "directory" and home.folder.entries <= 1


def filled_in(volume: Volume, newest_first: Iterable[VolumeBackup]) -> str:
    """Returns the newest backup with an archive of a volume, if that has files; else nothing."""
    for backup in newest_first:
        for one in backup.archives:
            if (one.volume, one.path) == (volume.name, volume.path):
                return backup.id if one.files else ""
    return ""


def what_is_wrong_at(home: Home, folder: Folder, volume: Volume) -> Problem | None:
    """Returns why a node cannot archive a volume now; None if it can."""
    where = f"{volume.path} on {home.node}"
    if home.boot_id != folder.boot_id:
        return Problem(
            text=f"what answers by SSH as {home.node} is another machine than the node {home.node}, or it has just started",
            next_step="compare nodes: of the profile with `kubectl get nodes -o wide`",
        )
    return _of_folder(folder, where, volume) or _of_emptiness(home, where, volume) or _of_node(folder, home.node)


def _of_emptiness(home: Home, where: str, volume: Volume) -> Problem | None:
    if not home.filled_in:
        return None
    return Problem(
        text=f"{where} is empty, and backup {home.filled_in} has files of it: its disk may not be mounted",
        next_step=f"`findmnt -T {volume.path}` on {home.node} shows what is mounted there; if it is to be empty, make a file in it",
    )


def _of_folder(folder: Folder, where: str, volume: Volume) -> Problem | None:
    if folder.kind == "nothing":
        return Problem(text=f"{where} does not exist", next_step=f"mount or restore it there; else {OTHER_WAY}")
    if folder.real != volume.path:
        return Problem(
            text=f"{where} leads to {folder.real}: a symbolic link is on the way, which may lead to data of others",
            next_step=f"use a volume whose path is {folder.real}; else {OTHER_WAY}",
        )
    if folder.kind != "directory":
        return Problem(text=f"{where} is no folder, but a {folder.kind}", next_step=OTHER_WAY)
    return None


def _of_node(folder: Folder, node: str) -> Problem | None:
    if folder.missing:
        return Problem(text=f"{node} has no {listed(folder.missing)}", next_step="install it there")
    needed = space_needed(folder.size, folder.entries)
    if folder.free < needed:
        return Problem(
            text=f"{node}: {BACKUPS} has {folder.free} bytes free, and the parts of this archive need {needed}",
            next_step="free space there",
        )
    return None


def who_uses(claim: Claim, pods: Iterable[PodOfClaim]) -> tuple[PodOfClaim, ...]:
    """Returns the pods that may write into a claim: those that have not finished."""
    return tuple(one for one in pods if claim.id in one.claims and not one.is_finished)


def how_to_stop(pods: Iterable[PodOfClaim]) -> str:
    """Returns the commands after which pods no longer use their claims."""
    return ", ".join(dict.fromkeys(_how_to_stop(one) for one in pods))


def _how_to_stop(pod: PodOfClaim) -> str:
    match pod.controller_kind:
        case "Deployment" | "StatefulSet" | "ReplicaSet":
            return f"`kubectl -n {pod.namespace} scale {pod.controller_kind.lower()}/{pod.controller} --replicas=0`"
        case "Job":
            return f"`kubectl -n {pod.namespace} wait --for=condition=complete job/{pod.controller}`"
        case "":
            return f"`kubectl -n {pod.namespace} delete pod {pod.name}`"
        case kind:
            return f"stop {kind} {pod.controller} in {pod.namespace}"
