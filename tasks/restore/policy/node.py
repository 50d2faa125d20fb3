"""Decides whether a node can take part in a restore: its processes, its member, its programs, its space."""

from collections.abc import Iterator

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import ControlPlaneNode, RestoreRecord
from tasks.core.models.findings import Problem, refused
from tasks.core.models.folders import RESTORES
from tasks.core.models.plan import Refusal

SPACE_FACTOR = 2.2
"""Multiplies the size of the snapshot to get the space needed at the data directory.

The space holds the new data directory and a log. The old data directory stays.
"""

WORK_FACTOR = 2
"""Multiplies the size of the snapshot to get the space needed for the download.

The download exists compressed and uncompressed.
"""


def refusals_of_node(node: ControlPlaneNode, backup: Backup, same: RestoreRecord | None) -> Iterator[Refusal]:
    """Returns all obstacles on a node; `same` is the attempt that is resumed."""
    yield from refusals_of_processes(node)
    if not node.has_etcd:
        return
    problems = [*_problems_of_programs(node), *_problems_of_member(node, backup)]
    if not _has_begun(node, same):  # space was needed once
        problems += _problems_of_space(node, backup.snapshot.plain.size)
    for problem in problems:
        yield refused(node.name, problem.text, problem.next_step)


def refusals_of_processes(node: ControlPlaneNode) -> Iterator[Refusal]:
    """Returns the refusals for the processes of a node.

    A process that cannot be seen cannot be proven to have stopped. A process that has the database open would write to
    it.
    """
    if node.unseen and (node.has_etcd or node.is_control_plane):
        yield refused(
            node.name,
            f"what runs on it is not known: {node.unseen}",
            "give the login of ssh: full sudo there",
        )
    if node.member and node.member.held_by:
        yield refused(
            node.name,
            f"{node.member.held_by} has the database in {node.member.data_dir} open, and is neither the static pod "
            "etcd nor etcd.service",
            "end it: these files are replaced",
        )
    yield from _refusals_of_kubelet(node)


def _refusals_of_kubelet(node: ControlPlaneNode) -> Iterator[Refusal]:
    """Returns the refusals for a node's kubelet, which stops static pods and starts them.

    A kubelet that is off does neither. A kubelet that reads a copy of a manifest starts that pod.
    """
    if node.kubelet_is_off and (node.is_control_plane or (node.member and not node.member.unit)):
        yield refused(
            node.name,
            f"{node.kubelet_problem}: nothing would stop and start its static pods",
            f"`systemctl enable --now kubelet` on {node.name}",
        )
    for file, pod in node.doubles.items():
        yield refused(
            node.name,
            f"its kubelet reads {file} as another manifest of {pod}, whatever the name ends with: that would run while {pod}.yaml is away",
            f"move {file} out of the kubelet's folder of manifests on {node.name}",
        )


def _has_begun(node: ControlPlaneNode, same: RestoreRecord | None) -> bool:
    return bool(same and node.record and node.record.id == same.id and node.record.phase)


def _problems_of_programs(node: ControlPlaneNode) -> Iterator[Problem]:
    for program in node.missing:
        yield Problem(text=f"has no {program}", next_step="install it there")
    if node.not_understood:
        yield Problem(text=node.not_understood, next_step="restore by hand, as docs/etcd-restore.md says")
    for obstacle in node.member.obstacles if node.member else ():
        yield Problem(text=obstacle, next_step="restore by hand, as docs/etcd-restore.md says")
    if node.tools_problem:
        yield Problem(text=node.tools_problem, next_step="put etcdutl of that minor version on the node")


def _problems_of_member(node: ControlPlaneNode, backup: Backup) -> Iterator[Problem]:
    if node.client_problem:
        step = "renew it there (kubeadm's: `kubeadm certs renew etcd-healthcheck-client`): the proof of etcd needs it"
        yield Problem(text=node.client_problem, next_step=step)
    if node.member and (problem := _problem_of_version(node.member.minor, backup.snapshot.etcd_version)):
        yield problem


def _problem_of_version(minor: str, taken_by: str) -> Problem | None:
    """Returns why the versions do not fit; etcd reads data of its own minor version and of the previous one."""
    mine, theirs = _parts(minor), _parts(taken_by)
    if mine and mine[0] == theirs[0] and mine[1] - theirs[1] in {0, 1}:
        return None
    text = f"its etcd is {minor}, the backup was taken by {taken_by}"
    if not mine:
        text = f"its etcd's version is not known, the backup is of {taken_by}"
    return Problem(text=text, next_step="restore with the minor version of etcd that took the backup, then upgrade")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part)


def _problems_of_space(node: ControlPlaneNode, size: int) -> Iterator[Problem]:
    needed, work = int(size * SPACE_FACTOR), int(size * WORK_FACTOR)
    if node.member and node.member.data_problem:
        yield Problem(
            text=f"{node.member.data_dir}: {node.member.data_problem}", next_step=f"check this path on {node.name}"
        )
    elif node.member and node.member.free_bytes < needed:
        yield Problem(
            text=f"{node.member.data_dir} has {node.member.free_bytes} bytes free, a second data directory needs {needed}",
            next_step="free space there; the old data directory is kept",
        )
    if node.work_problem:
        yield Problem(text=f"{RESTORES}: {node.work_problem}", next_step=f"check this path on {node.name}")
    elif node.work_free_bytes < work:
        yield Problem(
            text=f"{RESTORES} has {node.work_free_bytes} bytes free, the snapshot needs {work}",
            next_step="free space there",
        )
