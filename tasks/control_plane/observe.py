"""Observes a control plane node; each query depends on the answer to the previous one."""

from collections.abc import Mapping
from datetime import timedelta

from tasks.clients.ssh import CALL, NodeShell
from tasks.cluster import Cluster
from tasks.control_plane.models import ControlPlaneNode
from tasks.control_plane.probes.etcd_member import Source, files_to_read, read_member
from tasks.control_plane.probes.look import (
    Leads,
    Seen,
    look,
    look_at_member,
    members_of_api,
    parse,
    parse_files,
    parse_member,
    read_files,
)


def look_at(handle: Cluster, name: str, *, limit: timedelta = CALL) -> ControlPlaneNode:
    """Observes the manifests, the processes, the member with its disk, and the traces of a restore."""
    return _with_member(handle.shell(name), _printed(handle, name, limit), limit)[0]


def look_for_members(handle: Cluster, name: str, *, limit: timedelta = CALL) -> tuple[ControlPlaneNode, Leads]:
    """Observes the node as `look_at` does, and the members of an external etcd.

    These members are the ones that the node's API server is configured with.
    """
    return _with_member(handle.shell(name), _printed(handle, name, limit), limit)


def _printed(handle: Cluster, name: str, limit: timedelta) -> bytes:
    shape = handle.shape(name)
    return handle.shell(name).ask(look(shape.kubelet.manifests, shape.parked), limit=limit)


def _with_member(shell: NodeShell, printed: bytes, limit: timedelta) -> tuple[ControlPlaneNode, Leads]:
    seen, leads = parse(shell.name, printed), members_of_api(shell.name, printed)
    if seen.source is None:
        return seen.node, leads
    try:
        return _understood(shell, seen, seen.source, limit), leads
    except ValueError as error:
        return seen.node.model_copy(update={"not_understood": str(error)}), leads


def _understood(shell: NodeShell, seen: Seen, source: Source, limit: timedelta) -> ControlPlaneNode:
    """Returns the node with its member; a `ValueError` says what in the member's configuration could not be parsed."""
    member = read_member(source, _texts(shell, source, limit))
    printed = shell.ask(look_at_member(member, source, seen.of_api), limit=limit)
    return seen.node.model_copy(update={"member": parse_member(member, source, seen.of_api, printed)})


def _texts(shell: NodeShell, source: Source, limit: timedelta) -> Mapping[str, str]:
    """Reads the files with the member's variables and configuration.

    A missing file counts as an empty one, because systemd allows it.
    """
    texts: dict[str, str] = {}
    while wanted := files_to_read(source, texts):
        texts |= dict.fromkeys(wanted, "") | parse_files(shell.ask(read_files(wanted), limit=limit))
    return texts
