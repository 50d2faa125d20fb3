"""Decides whether an archive may be restored into a folder of its node: what is there, and whether it has the room."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.core.models.findings import Problem, listed
from tasks.core.models.folders import BACKUPS
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.facts import Volume
from tasks.volumes.models.places import Place, Target

BLOCK_BYTES = 3584
"""This is what an entry may need on a disk beyond its part of a tar: the rest of its last block."""

NAME_ONE = "name an empty folder with room by --path of volumes-restore, such as a disk that is mounted for it"


def bytes_needed(one: Archive) -> int:
    """Returns the bytes that the files of an archive may need on a disk. A tar has no holes of sparse files either."""
    return one.plain.size + entries_needed(one) * BLOCK_BYTES


def entries_needed(one: Archive) -> int:
    """Returns the inodes that an archive needs."""
    return max(one.entries, one.files)


def what_is_in_the_way(place: Place, target: Target, node: str) -> Problem | None:
    """Returns why an archive cannot be restored into a folder, whatever its room is; None if it can."""
    path, spool = PurePosixPath(place.path), PurePosixPath(BACKUPS).parent
    if spool.is_relative_to(path) or path.is_relative_to(spool):
        text = f"{place.path} on {node} contains or is within {spool}, where runs keep their files"
        return Problem(text=text, next_step="name another folder by --path of volumes-restore")
    return _of_named(place, node) if target.is_named else _of_parent(place, node)


def _of_parent(place: Place, node: str) -> Problem | None:
    """Looks only at the folder above: the job compares what is in the folder itself with the list."""
    parent = str(PurePosixPath(place.path).parent)
    if place.kind != "nothing" or place.real == parent:
        return None
    text = f"{parent} on {node} leads to {place.real}" if place.real else f"{parent} on {node} does not exist"
    return Problem(text=f"{text}: there is no folder in which a new one can be made", next_step=NAME_ONE)


def _of_named(place: Place, node: str) -> Problem | None:
    where = f"{place.path} on {node}"
    if place.kind == "nothing":
        step = f"`mkdir {place.path}` on {node}; or mount an empty disk there"
        return Problem(text=f"{where} does not exist", next_step=step)
    if place.kind != "directory" or place.real != place.path:
        leads = f"leads to {place.real}" if place.real else f"is a {place.kind}"
        return Problem(
            text=f"{where} {leads}: it has to be a folder, without a symbolic link on the way", next_step=NAME_ONE
        )
    if place.volumes:
        text = f"{where} belongs to another volume: {listed(place.volumes)}"
        step = "by --path of volumes-restore, name a folder of which nobody makes a PersistentVolume, also no provisioner of mounted disks"
        return Problem(text=text, next_step=step)
    if place.content and not place.is_whole:
        return Problem(
            text=f"{where} is not empty: it has {place.content}",
            next_step="name an empty folder by --path of volumes-restore",
        )
    return None


def what_has_no_room(wanted: Sequence[tuple[Archive, Place]]) -> Problem | None:
    """Returns why the archives have no room; None if they have. All of them are on the same file system of the same node."""
    archives = [one for one, place in wanted if place.needs_room]  # the others take no more room
    if not archives:
        return None
    node, place = archives[0].node, wanted[0][1]
    bytes_, entries = sum(map(bytes_needed, archives)), sum(map(entries_needed, archives))
    spare = place.spare + sum(each.left for _, each in wanted)
    kept = place.free - place.spare
    stays = (
        f" ({place.free} are free, and {kept} have to stay free: with less, kubelet evicts pods)" if kept > 0 else ""
    )
    where = f"the file system {place.filesystem} of {node}"
    many = f"the {len(archives)} archives need" if len(archives) > 1 else "the archive needs"
    if bytes_ > spare:
        text = f"{where} has room for {max(spare, 0)} bytes{stays}, and {many} {bytes_}"
        return Problem(text=text, next_step=f"free space there; or {NAME_ONE}")
    if place.spare_entries is not None and entries > place.spare_entries:
        text = f"{where} has room for {max(place.spare_entries, 0)} files, and {many} {entries}"
        return Problem(text=text, next_step=f"free inodes there; or {NAME_ONE}")
    return None


def volumes_at(path: str, volumes: Sequence[Volume], own: str) -> tuple[str, ...]:
    """Returns the volumes whose folder is this one, or is in it, or has it; `own` is the name of the restored volume."""
    wanted = PurePosixPath(path)
    return tuple(
        one.name
        for one in volumes
        if one.path
        and one.name != own
        and (wanted.is_relative_to(one.path) or PurePosixPath(one.path).is_relative_to(wanted))
    )
