"""What is there before a restore: nodes, their members, and the cluster that they make, if it still makes one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from prefect import task

from tasks.backup.models.backups import Backup
from tasks.backup.node_snapshots import find_etcd_tools
from tasks.backup.probes import origin
from tasks.backup.store import backups_of
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.models import ControlPlaneNode, Phase
from tasks.control_plane.probes.look import look, parse
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.etcd import MemberStatus
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.core.retries import OBSERVE
from tasks.restore.models import ControlPlaneFacts

ANSWERS = ("200", "401", "403")
"""Of an API server that serves; without anonymous requests it says 401, and 403 where they may not ask."""


@task(**OBSERVE, task_run_name="observe-control-planes-{cluster}")
def observe_control_planes(cluster: str) -> ControlPlaneFacts:
    """Manifests, processes, disks and traces of restores on all nodes of the profile; works with the API and etcd down."""
    return look_at_nodes(open_cluster(cluster))


@task(**OBSERVE, task_run_name="find-backup-{cluster}")
def find_restorable(cluster: str, backup: str, from_cluster: str) -> Backup:
    """The manifest of a backup of this cluster, or of another one that is named; `Refused` when there is none."""
    return backups_of(open_cluster(cluster), from_cluster or cluster).pick(backup)


def look_at_nodes(handle: Cluster) -> ControlPlaneFacts:
    """Of a cluster whose control plane a restore has stopped, the nodes alone: there is nobody to ask."""
    nodes = on_all(partial(_look_at_node, handle), [node.name for node in handle.profile.nodes])
    facts = ControlPlaneFacts(observed_at=datetime.now(UTC), nodes=tuple(nodes))
    if facts.under_way and facts.under_way.phase in {Phase.STOPPED, Phase.SWAPPED}:
        return facts
    return facts.model_copy(update=_ask_cluster(handle, nodes))


def endpoint_of(node: ControlPlaneNode) -> EtcdEndpoint:
    """Where its member is asked; `Refused` where it has none."""
    if node.member is None:
        raise Refused(f"{node.name}: it has no member", hint="look at its etcd manifest")
    return EtcdEndpoint(url=node.member.client_url, node=node.name, on_node=node.member.on_node)


def _look_at_node(handle: Cluster, name: str) -> ControlPlaneNode:
    try:
        found = parse(name, handle.shell(name).ask(look()))
        return _with_authorities(handle, _with_client(handle, _with_tools(handle, found)))
    except RunbookError as error:  # also one that sshd or sudo refuses: it may be named as lost
        return ControlPlaneNode(name=name, unreached=error.problem if isinstance(error, NotYet) else str(error))


def _with_tools(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    if found.member is None:
        return found
    try:
        tools = find_etcd_tools(handle.node(found.name), found.member.minor, found.member.image)
    except Refused as error:
        return found.model_copy(update={"tools_problem": error.problem})
    return found.model_copy(update={"tools": tools})


def _with_client(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Whether the certificate is good that etcd is asked with afterwards; found out before anything is stopped."""
    if found.member is None:
        return found
    try:
        handle.check_certificate_on(endpoint_of(found))
    except Refused as error:
        return found.model_copy(update={"client_problem": error.problem})
    return found


def _with_authorities(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Which CA its files have: a control plane that has none shows none."""
    if not found.authority_files:
        return found
    told = handle.node(found.name).run(origin.look(found.authority_files), timeout=CALL, sudo=True, check=False)
    return found.model_copy(update={"authorities": origin.parse(told.stdout)})


def _ask_cluster(handle: Cluster, nodes: Sequence[ControlPlaneNode]) -> dict[str, object]:
    """What running members and API servers say of the cluster as it is; a cluster that is gone does not answer."""
    members = [node for node in nodes if node.member and ETCD in node.running]
    api_servers = [node for node in nodes if API_SERVER in node.running]
    statuses = on_all(partial(_ask_member, handle), members)
    serving = on_all(partial(_answers, handle), api_servers)
    told = {node.name: found for node, found in zip(members, statuses, strict=True) if found}
    return {
        "live_revision": max((status.revision for _, status in told.values()), default=None),
        "live_ids": tuple(sorted({cluster_id for cluster_id, _ in told.values()})),
        "in_quorum": tuple(name for name, (_, status) in told.items() if status.healthy),
        "api_answers": tuple(node.name for node, yes in zip(api_servers, serving, strict=True) if yes),
    }


def _ask_member(handle: Cluster, node: ControlPlaneNode) -> tuple[str, MemberStatus] | None:
    """The id of its cluster, and its status."""
    try:
        with handle.etcd(endpoint_of(node), Route.TUNNEL) as client:
            cluster_id, _, status = client.status()
            return cluster_id, status
    except RunbookError:
        return None


def _answers(handle: Cluster, node: ControlPlaneNode) -> bool:
    try:
        return handle.shell(node.name).run(ask_readyz()).strip() in ANSWERS
    except RunbookError:
        return False
