"""Restores archives: into a new folder of a node, and as a claim beside the old one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from tasks.backup.node_snapshots import GENTLE, store_ca
from tasks.backup.scripts.node_snapshot import input_of
from tasks.clients.kube import JSON, KubeClient
from tasks.clients.ssh import Job, run_job, stop_job
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.findings import Problem
from tasks.core.models.shape import KubeletShape
from tasks.drain.policy.selectors import suits
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.probes.api_facts import parse_node
from tasks.volumes.models.archives import Archive, Restored
from tasks.volumes.models.places import Place, Target, Watch
from tasks.volumes.models.selection import LONGEST_WAIT
from tasks.volumes.observe import LOOK_LIMIT, path_of_claims
from tasks.volumes.policy.beside import ARCHIVE, beside, target_of, volume_beside
from tasks.volumes.policy.kept import watch_of
from tasks.volumes.policy.room import bytes_needed, entries_needed, volumes_at, what_is_in_the_way
from tasks.volumes.probes.folder import look_at_folder, parse_folder
from tasks.volumes.probes.objects import NODES, VOLUMES, parse_volume
from tasks.volumes.probes.place import look_at_place, parse_place
from tasks.volumes.probes.runtime import look_at_runtime, parse_image_folders
from tasks.volumes.scripts.archives import parse_restored, restore

BOUND_WITHIN = timedelta(minutes=2)
"""Limits the wait until a claim has its volume, which exists already."""


def restore_beside(  # noqa: PLR0913, PLR0917 - each is a part of the new claim
    handle: Cluster, one: Archive, objects: Sequence[JSON], name: str, suffix: str, path: str = ""
) -> Restored:
    """Restores an archive on its node into a new folder beside the old one, with a new volume and a new claim.

    `objects` are those of the manifest. Folder and volume have the old names and the suffix; the volume has Retain. With `path`, the
    folder is that empty one. It is safe to run again. `Refused` if the node is another machine, or if something else has one of the
    names.
    """
    volume, claim = beside(one, objects, name, suffix, path)
    target = target_of(one, suffix, path)
    if wrong := what_is_in_the_way(look_for_room(handle, one, suffix, path), target, one.node):
        raise Refused(f"{one.id}: {wrong.text}", hint=wrong.next_step)
    made = restore_archive(handle, one, one.node, target.path, is_named=target.is_named)
    _create(handle.kube, VOLUMES, volume, one)
    _create(handle.kube, path_of_claims(one.namespace), claim, one)
    _wait_bound(handle.kube, f"{path_of_claims(one.namespace)}/{claim['metadata']['name']}")
    return made


def look_for_room(handle: Cluster, one: Archive, suffix: str, path: str = "") -> Place:
    """Asks the node of an archive about the folder that gets it. `Refused` if the node is another machine."""
    node = check_machine(handle, one.node)
    target = target_of(one, suffix, path)
    watch = look_at_kept(handle, one.node)
    told = handle.shell(one.node).run(look_at_place(one, target, watch), limit=LOOK_LIMIT)
    place = parse_place(one.node, target.path, told)
    found = [parse_volume(raw) for raw in handle.kube.items(VOLUMES)] if target.is_named else []
    here = [volume for volume in found if suits(volume.node_terms, node, unknown=True)]
    doubts = watch.about_folders + (watch.about_values if place.is_watched else ())
    return place.model_copy(
        update={"doubts": doubts, "volumes": volumes_at(target.path, here, volume_beside(one, suffix))}
    )


def look_at_kept(handle: Cluster, node: str, *, again: bool = False) -> Watch:
    """Asks a node what its kubelet and its container runtime keep free, and where. What it does not say is a default, with the reason.

    The kubelet is looked at once a run, unless `again` is set.
    """
    kubelet: KubeletShape | Problem
    images: tuple[str, ...] | Problem
    try:
        kubelet = handle.shape(node, again=again).kubelet
    except RunbookError as error:
        kubelet = Problem(text=error.problem)
    endpoint = "" if isinstance(kubelet, Problem) else kubelet.runtime_endpoint
    try:
        images = parse_image_folders(handle.shell(node).run(look_at_runtime(endpoint), limit=LOOK_LIMIT))
    except RunbookError as error:
        images = Problem(text=error.problem)
    return watch_of(node, kubelet, images)


def check_machine(handle: Cluster, node: str) -> KubeNode:
    """Returns a node as the API has it. `Refused` unless the machine that answers by SSH is that node, by its boot id."""
    told = parse_folder(node, handle.shell(node).run(look_at_folder("/nonexistent")))
    raw = handle.kube.find(f"{NODES}/{node}")
    found = parse_node(raw, None) if raw else None
    if found is None or found.boot_id != told.boot_id:
        raise Refused(
            f"what answers by SSH as {node} is no node of this cluster, or another machine than that node",
            hint="compare nodes: of the profile with `kubectl get nodes -o wide`",
        )
    return found


def _create(kube: KubeClient, folder: str, body: JSON, one: Archive) -> None:
    """Creates an object, unless an earlier attempt has."""
    path = f"{folder}/{body['metadata']['name']}"
    there = kube.find(path)
    if there is None:
        kube.create(folder, body)
        log_about(one.id).info("%s created", path)
    elif there["metadata"].get("annotations", {}).get(ARCHIVE) != one.data_key:
        raise Refused(f"{path} exists, and this archive did not make it", hint="choose another suffix")


def _wait_bound(kube: KubeClient, path: str) -> None:
    def look() -> None:
        phase = kube.get(path).get("status", {}).get("phase", "")
        if phase != "Bound":
            raise NotYet(f"{path} is not bound (phase {phase or 'unknown'})", hint="`kubectl describe pvc` shows why")

    wait_for(look, BOUND_WITHIN, what="the claim to be bound to its new volume", about=path)


def restore_archive(handle: Cluster, one: Archive, node: str, path: str, *, is_named: bool = False) -> Restored:
    """Restores an archive on a node, into a folder that does not exist or is empty; `is_named`, into one that exists.

    The node downloads it into a folder beside that one, or in it, compares each file and its owner with the list, and then moves it
    into place. `CommandFailed` if the folder is not empty or has no room, or if anything differs. It is safe to run again: an
    interrupted attempt is stopped first.
    """
    if not path.startswith("/") or str(PurePosixPath(path)) != path or ".." in path.split("/") or path == "/":
        raise Refused(f"{path!r} is no absolute path of a folder", hint="name one such as /mnt/disks/restored")
    target = Target(path=path, is_named=is_named)
    stop_job(handle.node(node), f"restore-{target.mark}-*")
    name = f"restore-{target.mark}-{datetime.now(UTC):%Y%m%dt%H%M%S%fz}"
    watch = look_at_kept(handle, node, again=True)
    for doubt in (*watch.about_folders, *watch.about_values):
        log_about(one.id).info("%s: %s", node, doubt.text)
    script = restore(name, one, target, bytes_needed(one), entries_needed(one), watch)
    urls = [handle.store.url(key, LONGEST_WAIT) for key in (one.list_key, one.data_key)]
    job = Job(name, script, LONGEST_WAIT, nice=GENTLE)
    done = run_job(handle.node(node), job, stdin=input_of(urls, store_ca(handle)))
    return Restored(node=node, path=path, different=parse_restored(node, done.output))
